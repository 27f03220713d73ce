from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import ActionKey, digest_bytes
from neuronbuild.release.folder import write_release
from neuronbuild.release.verified import VerifiedReleases
from tests.flows.stores import contents
from tests.unit.release.requests import no_job, request_for


@pytest.fixture
def written(built, tmp_path):
    """A request, and its release that is up to date."""
    request, store = request_for(built, "fill-mask", tmp_path)
    write_release(request, store, no_job)
    return request


def test_what_decides_the_bytes_is_in_the_stamp(built, tmp_path):
    request, _ = request_for(built, "fill-mask", tmp_path)
    other = replace(request.model, snapshot=Snapshot("other", None, {"config.json": digest_bytes(b"{}")}))
    changes = [
        {"name": "other"},
        {"layout": "optimum"},
        {"task": "other"},
        {"platform": "inf2"},
        {"keys": (ActionKey("0" * 64),)},
        {"dynamic_batch_size": True},
        {"model": other},
    ]
    stamps = {request.stamp, *(replace(request, **change).stamp for change in changes)}
    assert len(stamps) == len(changes) + 1


def test_where_a_release_goes_and_how_files_get_there_is_not(built, tmp_path):
    request, _ = request_for(built, "fill-mask", tmp_path)
    assert replace(request, folder=tmp_path / "elsewhere", link_mode="copy", recipe="other").stamp == request.stamp


def test_a_release_is_up_to_date_as_long_as_nothing_changes(written):
    assert written.is_up_to_date(VerifiedReleases(None))
    assert not replace(written, dynamic_batch_size=True).is_up_to_date(VerifiedReleases(None))
    assert not replace(written, folder=written.folder.with_name("elsewhere")).is_up_to_date(VerifiedReleases(None))


def test_a_file_that_has_gone_or_changed_is_noticed(written):
    for name in contents(written.folder):
        file = written.folder / name
        data = file.read_bytes()
        file.unlink()
        assert not written.is_up_to_date(VerifiedReleases(None)), name
        for other in (data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1])):
            file.write_bytes(other)
            assert not written.is_up_to_date(VerifiedReleases(None)), name
        file.write_bytes(data)
        assert written.is_up_to_date(VerifiedReleases(None)), name


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"stamp": 1, "files": 2}'])
def test_an_index_that_cant_be_read_is_not_up_to_date(written, text):
    (written.folder / "neuronbuild.json").write_text(text)
    assert not written.is_up_to_date(VerifiedReleases(None))


@pytest.mark.parametrize("files", [None, 3, [None], [{}], [{"path": "README.md"}], [{"path": 3, "size": 3}]])
def test_an_index_of_strange_files_is_not_up_to_date(written, files):
    (written.folder / "neuronbuild.json").write_text(json.dumps({"stamp": written.stamp, "files": files}))
    assert not written.is_up_to_date(VerifiedReleases(None))


def test_a_folder_in_a_files_place_is_noticed(written):
    (written.folder / "README.md").unlink()
    (written.folder / "README.md").mkdir()
    assert not written.is_up_to_date(VerifiedReleases(None))
