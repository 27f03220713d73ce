from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.release_index import FILENAME, ReleasedFile, ReleaseIndex
from neuronbuild.digest import digest_bytes
from neuronbuild.release import verified
from neuronbuild.release.verified import VerifiedReleases
from tests.unit.source.test_digests import edit_quietly


@pytest.fixture
def release(tmp_path):
    """A folder of two files and an index of them."""
    folder = tmp_path / "release"
    (folder / "deep").mkdir(parents=True)
    files = {"deep/model.pt2": b"code", "vocab.txt": b"words"}
    for path, data in files.items():
        (folder / path).write_bytes(data)
    listed = tuple(ReleasedFile(path, digest_bytes(data).sha256, len(data)) for path, data in files.items())
    index = ReleaseIndex("n", "fill-mask", "cpu", "m", None, "", "", "", False, (), {}, listed)
    (folder / FILENAME).write_bytes(encode(index))
    return folder


@pytest.fixture
def _later(monkeypatch):
    """A clock that runs ten seconds ahead of the file system's, so that no file counts as just written."""
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + 10_000_000_000)


@pytest.fixture
def reads(monkeypatch):
    """The files that are read, in order."""
    read, digest_file = [], verified.digest_file
    monkeypatch.setattr(verified, "digest_file", lambda path: read.append(path.name) or digest_file(path))
    return read


def holds(memory: VerifiedReleases, folder) -> bool:
    return memory.holds(folder, json.loads((folder / FILENAME).read_bytes()))


@pytest.mark.usefixtures("_later")
def test_a_release_is_read_once_and_remembered_by_the_next_process(release, reads, tmp_path):
    for _ in range(2):
        assert holds(VerifiedReleases(tmp_path / "memo.json"), release)
    assert reads == ["model.pt2", "vocab.txt"]


def test_one_that_was_just_written_is_remembered_by_this_process_only(release, reads, tmp_path):
    memory = VerifiedReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    assert holds(memory, release)
    assert len(reads) == 2
    assert holds(VerifiedReleases(tmp_path / "memo.json"), release)
    assert len(reads) == 4


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("path", ["vocab.txt", "deep/model.pt2"])
def test_an_edit_that_keeps_size_and_time_is_noticed(release, tmp_path, path):
    memory = VerifiedReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    edit_quietly(release / path, (release / path).read_bytes()[::-1])
    assert not holds(memory, release)


@pytest.mark.usefixtures("_later")
def test_an_edit_through_a_hard_link_is_noticed(release, tmp_path):
    memory = VerifiedReleases(tmp_path / "memo.json")
    os.link(release / "deep/model.pt2", tmp_path / "blob")
    assert holds(memory, release)
    edit_quietly(tmp_path / "blob", b"edoc")
    assert not holds(memory, release)


@pytest.mark.usefixtures("_later")
def test_files_that_were_touched_but_hold_the_same_are_whole(release, reads, tmp_path):
    memory = VerifiedReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    os.utime(release / "vocab.txt")
    assert holds(memory, release)
    assert len(reads) == 4


@pytest.mark.usefixtures("_later")
def test_an_altered_index_is_noticed(release, tmp_path):
    memory = VerifiedReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    (release / FILENAME).write_text((release / FILENAME).read_text().replace('"cpu"', '"gpu"'))
    assert not holds(memory, release)


def test_what_is_no_plain_file_is_never_opened(release):
    (release / "vocab.txt").unlink()
    os.mkfifo(release / "vocab.txt")
    assert not holds(VerifiedReleases(None), release)


def test_a_missing_file_is_an_error_of_the_system(release):
    (release / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError):
        holds(VerifiedReleases(None), release)
