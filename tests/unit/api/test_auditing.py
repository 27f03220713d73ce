from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from neuronbuild.api.auditing import audit_release
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.errors import ReleaseError, UsageError
from neuronbuild.release.folder import write_release
from neuronbuild.store.trust import Trust
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import no_job
from tests.unit.runtime.releases import read_index


@pytest.fixture
def trust(tmp_path):
    return trust_of(tmp_path)


@pytest.fixture
def release(tmp_path, trust):
    request, store = made_request(tmp_path, trust)
    write_release(request, store, no_job)
    return request.folder


def unsign(file) -> None:
    tree = json.loads(file.read_text())
    del tree["signatures"]
    file.write_text(json.dumps(tree))


def test_a_whole_release_is_told_with_who_signed_it(release, trust):
    audit = audit_release(release, trust.keys)
    files = read_index(release).files
    assert audit.as_json() == {
        "version": 1, "folder": str(release), "files": len(files), "bytes": sum(file.size for file in files),
        "signed_by": [trust.own], "code_signed_by": [trust.own], "problems": [],
    }  # fmt: skip


def test_a_release_that_nobody_signed_is_whole_where_no_key_is_given(tmp_path, trust):
    request, store = made_request(tmp_path, Trust())
    write_release(request, store, no_job)
    assert audit_release(request.folder).problems == ()
    assert audit_release(request.folder, trust.keys).problems == ("no trusted key signed it",)


def test_every_file_is_read(release):
    for file in read_index(release).files:
        path = release / file.path
        data = path.read_bytes()
        path.unlink()
        assert f"{file.path} is missing" in audit_release(release).problems
        path.write_bytes(data[:-1])
        assert f"{file.path} is {len(data) - 1:,} bytes long instead of {len(data):,}" in audit_release(release).problems
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert f"{file.path} was altered: it holds other bytes than were released" in audit_release(release).problems
        path.write_bytes(data)
    assert audit_release(release).problems == ()


def test_what_isnt_a_file_is_told_and_never_waited_for(release):
    (release / "vocab.txt").unlink()
    os.mkfifo(release / "vocab.txt")
    assert "vocab.txt is no regular file" in audit_release(release).problems


def test_links_of_the_hubs_cache_count_as_what_they_lead_to(release, tmp_path):
    (release / "vocab.txt").rename(tmp_path / "blob")
    (release / "vocab.txt").symlink_to(tmp_path / "blob")
    assert audit_release(release).problems == ()


def test_what_git_and_the_hubs_client_leave_is_passed_over_and_other_files_arent(release):
    for name in (".git/config", ".cache/huggingface/x", ".gitattributes"):
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_text("x")
    assert audit_release(release).problems == ()
    (release / "added_tokens.json").write_text("{}")
    assert audit_release(release).problems == (f"added_tokens.json isn't listed in its {FILENAME}",)


def test_a_signature_that_doesnt_fit_is_told(release, trust):
    index = read_index(release)
    (release / FILENAME).write_bytes(encode(replace(index, padding_matters=True)))
    (problem,) = audit_release(release).problems
    assert problem == f"{FILENAME}: the signature by {trust.own} doesn't fit"


def test_code_that_is_signed_in_a_release_that_isnt_is_not_enough(release, trust):
    unsign(release / FILENAME)
    (problem,) = audit_release(release, trust.keys).problems
    assert problem == "a trusted key signed the compiled code only, and none its weights, config and other files"


def test_a_record_of_another_action_is_told(release):
    index = read_index(release)
    (release / FILENAME).write_bytes(encode(replace(index, buckets=(replace(index.buckets[0], key="0" * 64),), signatures=())))
    (problem,) = audit_release(release).problems
    assert "holds another artifact" in problem


def test_what_cant_be_audited_is_an_error(tmp_path, release):
    with pytest.raises(ReleaseError, match="no such folder"):
        audit_release(tmp_path / "absent")
    with pytest.raises(UsageError, match="no public key"):
        audit_release(release, ["ed25519:x"])
    (release / FILENAME).write_text("{")
    with pytest.raises(ReleaseError, match="can't be read"):
        audit_release(release)
