from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild.digest import digest_bytes
from neuronbuild.source.digests import DigestMemory

PLANTED = "0" * 64


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def memory_file(tmp_path):
    return tmp_path / "cache" / "digests.json"


@pytest.fixture
def _later(monkeypatch):
    """A clock that runs ten seconds ahead of the file system's, so that no file counts as just written."""
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + 10_000_000_000)


def remember(path, memory_file):
    """Digest a file, save the memory, and make what was saved recognisable."""
    memory = DigestMemory(memory_file)
    memory.digest(path)
    memory.save()
    entries = json.loads(memory_file.read_text())
    for entry in entries.values():
        entry[5] = PLANTED
    memory_file.write_text(json.dumps(entries))


def edit_quietly(path, data):
    """Other bytes of the same number, and the old times put back as far as anyone can."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_digest_is_that_of_the_bytes(weights):
    assert DigestMemory(None).digest(weights) == digest_bytes(b"weights")


@pytest.mark.usefixtures("_later")
def test_a_remembered_file_is_not_read_again(weights, memory_file):
    remember(weights, memory_file)
    assert DigestMemory(memory_file).digest(weights).sha256 == PLANTED


@pytest.mark.usefixtures("_later")
def test_a_link_shares_the_memory_of_its_target(weights, memory_file, tmp_path):
    remember(weights, memory_file)
    link = tmp_path / "link"
    link.symlink_to(weights)
    assert DigestMemory(memory_file).digest(link).sha256 == PLANTED


@pytest.mark.usefixtures("_later")
def test_an_edit_that_keeps_size_and_mtime_is_noticed(weights, memory_file):
    remember(weights, memory_file)
    edit_quietly(weights, b"WEIGHTS")
    assert DigestMemory(memory_file).digest(weights) == digest_bytes(b"WEIGHTS")


@pytest.mark.usefixtures("_later")
def test_an_edit_within_one_process_is_noticed(weights):
    memory = DigestMemory(None)
    memory.digest(weights)
    edit_quietly(weights, b"WEIGHTS")
    assert memory.digest(weights) == digest_bytes(b"WEIGHTS")


@pytest.mark.usefixtures("_later")
def test_another_file_in_the_same_place_is_noticed(weights, memory_file, tmp_path):
    remember(weights, memory_file)
    other = tmp_path / "other"
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns))
    other.replace(weights)
    assert DigestMemory(memory_file).digest(weights) == digest_bytes(b"WEIGHTS")


def test_a_file_just_written_is_not_remembered(weights, memory_file):
    memory = DigestMemory(memory_file)
    memory.digest(weights)
    memory.save()
    assert not memory_file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"x": 1}', b'{"x": [1, 2]}'])
def test_a_corrupted_memory_is_ignored(weights, memory_file, content):
    memory_file.parent.mkdir()
    memory_file.write_bytes(content)
    assert DigestMemory(memory_file).digest(weights) == digest_bytes(b"weights")


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("damage", [{0: "7"}, {5: None}, {6: None}, {5: "not hex"}])
def test_a_corrupted_entry_is_ignored(weights, memory_file, damage):
    remember(weights, memory_file)
    entries = json.loads(memory_file.read_text())
    for entry in entries.values():
        for place, value in damage.items():
            entry[place] = value
    memory_file.write_text(json.dumps(entries))
    assert DigestMemory(memory_file).digest(weights) == digest_bytes(b"weights")


@pytest.mark.usefixtures("_later")
def test_a_corrupted_memory_is_replaced(weights, memory_file):
    memory_file.parent.mkdir()
    memory_file.write_bytes(b"{")
    remember(weights, memory_file)
    assert DigestMemory(memory_file).digest(weights).sha256 == PLANTED


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("place", ["/proc/none/digests.json", "/dev/null/digests.json"])
def test_a_folder_that_cannot_be_written_is_no_error(weights, tmp_path, place):
    memory = DigestMemory(tmp_path / place)
    memory.digest(weights)
    memory.save()
    assert memory.digest(weights) == digest_bytes(b"weights")


@pytest.mark.usefixtures("_later")
def test_a_memory_that_cannot_be_replaced_leaves_no_litter(weights, memory_file):
    (memory_file / "in the way").mkdir(parents=True)
    memory = DigestMemory(memory_file)
    memory.digest(weights)
    memory.save()
    assert [path.name for path in memory_file.parent.iterdir()] == [memory_file.name]


@pytest.mark.usefixtures("_later")
def test_without_a_file_nothing_is_written(weights, tmp_path):
    memory = DigestMemory(None)
    memory.digest(weights)
    memory.save()
    assert list(tmp_path.iterdir()) == [weights]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        DigestMemory(None).digest(tmp_path / "absent")
