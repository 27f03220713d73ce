from __future__ import annotations

import contextlib
import os
import stat
import time

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.local import LocalObjects, sync
from tests.unit.store.disks import small_disk

NAME = "v1/blobs/sha256/ab/abcd"


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path / "store")


def test_an_object_lies_under_its_name_in_the_folder(objects, tmp_path):
    objects.write(NAME, b"bytes")
    assert (tmp_path / "store" / NAME).read_bytes() == b"bytes"
    assert objects.location == str(tmp_path / "store")


def test_objects_are_read_only_files(objects, tmp_path):
    (tmp_path / "source").write_bytes(b"bytes")
    (tmp_path / "source").chmod(0o777)
    objects.write(NAME, b"bytes")
    objects.add_file(NAME + "e", tmp_path / "source")
    assert {stat.S_IMODE(objects.local_path(name).stat().st_mode) for name in (NAME, NAME + "e")} == {0o444}


def test_a_read_only_object_is_replaced_all_the_same(objects):
    objects.write(NAME, b"one")
    objects.write(NAME, b"two")
    assert objects.read(NAME) == b"two"


def test_temporary_files_are_gone_afterwards(objects, tmp_path):
    objects.write(NAME, b"bytes")
    with pytest.raises(StoreError):
        objects.add_file(NAME, tmp_path / "absent")
    assert list((tmp_path / "store/tmp").iterdir()) == []


def test_asking_makes_no_folder(objects, tmp_path):
    objects.read(NAME)
    objects.size(NAME)
    objects.delete(NAME)
    assert list(objects.list("v1/")) == []
    assert not (tmp_path / "store").exists()


def test_an_added_file_is_never_a_hard_link(objects, tmp_path):
    (tmp_path / "source").write_bytes(b"bytes")
    objects.add_file(NAME, tmp_path / "source")
    assert objects.local_path(NAME).stat().st_ino != (tmp_path / "source").stat().st_ino


def test_a_symlink_is_added_as_what_it_leads_to(objects, tmp_path):
    (tmp_path / "source").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to("source")
    objects.add_file(NAME, tmp_path / "link")
    assert not objects.local_path(NAME).is_symlink()
    assert objects.read(NAME) == b"bytes"


def test_a_fault_names_the_store_and_the_file(objects, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/tmp").write_bytes(b"in the way")
    with pytest.raises(StoreError, match=r"store .*/store: .*/store/tmp: File exists") as caught:
        objects.write(NAME, b"bytes")
    assert caught.value.exit_code == 4


def test_a_move_stays_on_its_disk(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        objects = LocalObjects(disk)
        objects.write(NAME, b"bytes")
        inode = objects.local_path(NAME).stat().st_ino
        objects.move(NAME, "quarantine/x")
        assert objects.local_path("quarantine/x").stat().st_ino == inode


def test_files_and_folders_can_be_synced(tmp_path):
    (tmp_path / "file").touch(mode=0o444)
    sync(tmp_path / "file")
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "absent")


def test_a_folder_in_an_objects_place_is_put_aside(objects, tmp_path):
    (objects.local_path(NAME) / "deep").mkdir(parents=True)
    objects.write(NAME, b"bytes")
    assert objects.read(NAME) == b"bytes"
    [aside] = (tmp_path / "store/quarantine").iterdir()
    assert (aside / "deep").is_dir()


ACTS = {
    "write": lambda objects: objects.write(NAME, b"bytes"),
    "write under a condition": lambda objects: objects.write(NAME + "e", b"bytes", None),
    "receive": lambda objects: objects.receive(NAME, lambda path: path.write_bytes(b"bytes")),
    "delete": lambda objects: objects.delete(NAME),
    "move": lambda objects: objects.move(NAME, "quarantine/x"),
    "touch": lambda objects: objects.touch(NAME),
    "list": lambda objects: list(objects.list("v1/blobs/sha256/")),
    "read": lambda objects: objects.read(NAME),
    "sweep": lambda objects: objects.sweep(time.time()),
}
USED = {
    "v1": {"write", "write under a condition", "receive", "delete", "move", "touch", "list", "read"},
    "v1/blobs/sha256": {"write", "write under a condition", "receive", "delete", "move", "touch", "list", "read"},
    "v1/blobs/sha256/ab": {"write", "write under a condition", "receive", "delete", "move", "touch", "read"},
    "tmp": {"write", "write under a condition", "receive", "sweep"},
    "quarantine": {"move"},
}


def states(folder):
    """Times and sizes of all files."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: stat.S_ISREG(it.st_mode) and (it.st_size, it.st_mtime_ns, it.st_atime_ns) for path, it in found.items()}


@pytest.mark.parametrize("place", USED)
@pytest.mark.parametrize("act", ACTS)
def test_a_link_in_the_place_of_a_folder_leads_nothing_astray(place, act, tmp_path):
    documents = tmp_path / "documents"
    for name in ("old.txt", "abcd", "ab/abcd", "sha256/ab/abcd", "blobs/sha256/ab/abcd"):
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_bytes(b"precious")
        os.utime(documents / name, (1e9, 1e9))
    objects = LocalObjects(tmp_path / "store")
    objects.local_path(NAME).parent.mkdir(parents=True)
    objects.local_path(NAME).write_bytes(b"bytes")
    (objects.root / place).parent.mkdir(parents=True, exist_ok=True)
    if (objects.root / place).exists():
        (objects.root / place).rename(tmp_path / "away")
    (objects.root / place).symlink_to(documents)
    before = states(documents)
    refused = pytest.raises(StoreError, match=f"{place} is a link") if act in USED[place] else contextlib.nullcontext()
    with refused:
        ACTS[act](objects)
    assert states(documents) == before


def test_a_link_in_the_place_of_the_lock_of_versions_empties_nothing(objects, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "store/versions.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match=r"versions\.lock") as error:
        objects.write(NAME, b"bytes", None)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert "may be a link" in (error.value.hint or "")


def test_the_folder_of_a_store_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "store").symlink_to("real")
    objects = LocalObjects(tmp_path / "store")
    objects.write(NAME, b"bytes", None)
    assert [entry.name for entry in objects.list("v1/")] == [NAME]
    assert (tmp_path / "real" / NAME).read_bytes() == b"bytes"


def test_lines_are_added_to_a_file_beside_the_objects(objects):
    objects.append("lines", b"one\n")
    objects.append("lines", b"two\n")
    assert objects.local_path("lines").read_bytes() == b"one\ntwo\n"


def test_a_lock_lies_in_the_folder(objects, tmp_path):
    lock = objects.lock("v1/leases/x.lock")
    assert lock.acquire(0)
    assert (tmp_path / "store/v1/leases/x.lock").exists()
    lock.release(remove=True)
