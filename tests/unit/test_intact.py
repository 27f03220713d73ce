from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild import intact
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.release_index import FILENAME, ReleasedFile, ReleaseIndex
from neuronbuild.digest import digest_bytes
from neuronbuild.intact import IntactReleases
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
    read, digest_file = [], intact.digest_file
    monkeypatch.setattr(intact, "digest_file", lambda path: read.append(path.name) or digest_file(path))
    return read


def holds(memory: IntactReleases, folder) -> bool:
    files = [(file["path"], file["sha256"], file["size"]) for file in json.loads((folder / FILENAME).read_bytes())["files"]]
    return memory.first_altered(folder, files) is None


@pytest.mark.usefixtures("_later")
def test_a_release_is_read_once_and_remembered_by_the_next_process(release, reads, tmp_path):
    for _ in range(2):
        assert holds(IntactReleases(tmp_path / "memo.json"), release)
    assert reads == ["model.pt2", "vocab.txt"]


def test_one_that_was_just_written_is_remembered_by_this_process_only(release, reads, tmp_path):
    memory = IntactReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    assert holds(memory, release)
    assert len(reads) == 2
    assert holds(IntactReleases(tmp_path / "memo.json"), release)
    assert len(reads) == 4


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("path", ["vocab.txt", "deep/model.pt2"])
def test_an_edit_that_keeps_size_and_time_is_noticed(release, tmp_path, path):
    memory = IntactReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    edit_quietly(release / path, (release / path).read_bytes()[::-1])
    assert not holds(memory, release)


@pytest.mark.usefixtures("_later")
def test_an_edit_through_a_hard_link_is_noticed(release, tmp_path):
    memory = IntactReleases(tmp_path / "memo.json")
    os.link(release / "deep/model.pt2", tmp_path / "blob")
    assert holds(memory, release)
    edit_quietly(tmp_path / "blob", b"edoc")
    assert not holds(memory, release)


@pytest.mark.usefixtures("_later")
def test_files_that_were_touched_but_hold_the_same_are_whole(release, reads, tmp_path):
    memory = IntactReleases(tmp_path / "memo.json")
    assert holds(memory, release)
    os.utime(release / "vocab.txt")
    assert holds(memory, release)
    assert len(reads) == 4


@pytest.mark.usefixtures("_later")
def test_the_index_is_asked_for_where_nothing_is_remembered(release, tmp_path):
    memory = IntactReleases(tmp_path / "memo.json")
    assert memory.first_altered(release, [], lambda: False) == FILENAME
    assert memory.first_altered(release, [], lambda: True) is None
    assert memory.first_altered(release, [], lambda: False) is None


def test_the_altered_file_is_named(release):
    edit_quietly(release / "deep/model.pt2", b"edoc")
    file = ("deep/model.pt2", digest_bytes(b"code").sha256, 4)
    assert IntactReleases(None).first_altered(release, [file]) == "deep/model.pt2"


def test_what_is_no_plain_file_is_never_opened(release):
    (release / "vocab.txt").unlink()
    os.mkfifo(release / "vocab.txt")
    assert not holds(IntactReleases(None), release)


def test_a_missing_file_is_an_error_of_the_system(release):
    (release / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError):
        holds(IntactReleases(None), release)
