from __future__ import annotations

import io
import os
import stat
import tracemalloc
import zipfile
from dataclasses import replace

import pytest

from neuronbuild.artifact.shape import Shape
from neuronbuild.artifact.signature import Signature
from neuronbuild.digest import digest_bytes, digest_file
from neuronbuild.errors import ReleaseError
from neuronbuild.runtime import private
from neuronbuild.runtime.private import AlteredError, private_copy, private_package
from neuronbuild.runtime.reader import CompiledShape

ENTRIES = {"model/version": b"1", "model/data/aotinductor/model/library.so": b"native code"}


def package(entries, method=zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


def linked(name: str, target: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.fixture
def file(tmp_path):
    (tmp_path / "model.pt2").write_bytes(package(ENTRIES.items()))
    return tmp_path / "model.pt2"


def entries_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def bucket(file):
    digests = {"model.pt2": digest_bytes(file.read_bytes()), "constants.safetensors": digest_bytes(b"constants")}
    (file.parent / "constants.safetensors").write_bytes(b"constants")
    return CompiledShape("forward", Shape(()), file.parent, file, Signature((), (), (), ()), {}, digests)


@pytest.mark.parametrize("unpacked", [True, False])
def test_what_is_loaded_is_what_was_verified_whatever_becomes_of_the_file(bucket, file, unpacked):
    with bucket.verified(unpacked=unpacked) as verified:
        file.write_bytes(package([("model/version", b"other")]))  # in place
        other = file.with_name("other")
        other.write_bytes(b"swapped")
        other.replace(file)
        assert entries_of(verified.loaded_from) == ENTRIES
    assert not verified.loaded_from.exists()


@pytest.mark.parametrize("make", [private_copy, private_package])
def test_a_private_copy_has_no_name_that_anybody_could_find(file, make, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with make(file, digest_bytes(file.read_bytes())) as copy:
        assert list((tmp_path / "tmp").iterdir()) == []
        assert copy.stat().st_nlink == 0


@pytest.mark.parametrize("make", [private_copy, private_package])
@pytest.mark.parametrize("data", [b"", b"other", package([("a", b"b")]), package(ENTRIES.items()) + b"more"])
def test_other_bytes_than_were_recorded_are_refused(file, make, data):
    digest = digest_bytes(file.read_bytes())
    file.write_bytes(data)
    with pytest.raises(AlteredError), make(file, digest):
        pass


UNSAFE = ["../../.bashrc", "/etc/x", "a/../../b", "a\\..\\b", "C:/x", "a/\x01", "a//b", "./a", "a" * 300, "a/con"]


@pytest.mark.parametrize("name", UNSAFE)
def test_an_entry_with_an_unsafe_name_is_never_unpacked(bucket, file, name):
    file.write_bytes(package([*ENTRIES.items(), (name, b"x")]))
    found = replace(bucket, files={**bucket.files, "model.pt2": digest_bytes(file.read_bytes())})
    with pytest.raises(ReleaseError, match=r"model\.pt2 isn't unpacked: unsafe path"), found.verified(unpacked=True):
        pass


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (package([("a", b"1"), ("A", b"2")]), "the same file"),
        (package([("a", b"1"), ("a/b", b"2")]), "is a file as well"),
        (package([("a", bytes(10_000_000))], zipfile.ZIP_DEFLATED), "compressed"),
        (b"", "no package"),
        (b"not a package", "no package"),
        (package(ENTRIES.items())[:-30], "no package"),
    ],
    ids=["case", "folder", "bomb", "empty", "text", "short"],
)
def test_what_is_no_sound_package_is_refused(file, data, problem):
    file.write_bytes(data)
    with pytest.raises(ValueError, match=problem), private_package(file, digest_bytes(data)):
        pass


def forged(**changes) -> bytes:
    """A package of two entries, in whose list the first one's record says something else."""
    data = bytearray(package([("a", bytes(1000)), ("b", bytes(1000))]))
    record = data.index(b"PK\1\2")
    for place, value in {"size": 20, "length": 24}.items():
        data[record + value : record + value + 4] = changes.get(place, 1000).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("changes", [{"size": 999_999, "length": 999_999}, {"length": 999_999}, {"size": 2100, "length": 2100}])
def test_an_entry_that_says_to_be_larger_than_it_is_is_refused(file, changes):
    file.write_bytes(forged(**changes))
    digest = digest_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=r"more bytes than it has|no package"), private_package(file, digest):
        pass


def test_a_list_of_entries_that_is_too_long_is_not_read(file, monkeypatch):
    monkeypatch.setattr(private, "MOST_LISTED", 1000)
    file.write_bytes(package((f"entry-{index}", b"") for index in range(20)))
    with pytest.raises(ValueError, match="its list of entries has"), private_package(file, digest_bytes(file.read_bytes())):
        pass


@pytest.mark.parametrize("make", [private_copy, private_package])
def test_a_large_file_is_copied_in_little_memory(file, make):
    size, chunk = 64, bytes(1 << 20)
    with zipfile.ZipFile(file, "w") as archive, archive.open("model/data/weights", "w") as entry:
        for _ in range(size):
            entry.write(chunk)
    digest = digest_file(file)
    tracemalloc.start()
    try:
        with make(file, digest) as copy:
            assert copy.stat().st_size > size << 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_link_is_unpacked_as_a_plain_file(file):
    file.write_bytes(package([(linked("a", "/etc/passwd"), b"/etc/passwd")]))
    with private_package(file, digest_bytes(file.read_bytes())) as copy, zipfile.ZipFile(copy) as archive:
        [entry] = archive.infolist()
        assert not stat.S_ISLNK(entry.external_attr >> 16)


def test_an_archive_that_can_be_read_in_two_ways_is_unpacked_in_the_one_that_was_checked(file):
    file.write_bytes(package([("../evil", b"x")]) + package(ENTRIES.items()))
    with private_package(file, digest_bytes(file.read_bytes())) as copy:
        assert copy.read_bytes() == package_without_times()
        assert b"evil" not in copy.read_bytes()


def package_without_times() -> bytes:
    return package([(zipfile.ZipInfo(name), content) for name, content in ENTRIES.items()])


def test_a_pipe_in_its_place_is_not_waited_on(bucket, file):
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ReleaseError, match="can't be read or copied"), bucket.verified(unpacked=True):
        pass


def test_the_other_files_are_verified_as_well(bucket, file):
    (file.parent / "constants.safetensors").write_bytes(b"Constants")
    with pytest.raises(ReleaseError, match=r"constants\.safetensors was altered"), bucket.verified(unpacked=True):
        pass


def test_no_room_for_a_copy_is_told(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(ReleaseError, match="can't be read or copied") as caught, bucket.verified(unpacked=False):
        pass
    assert "TMPDIR" in caught.value.hint
