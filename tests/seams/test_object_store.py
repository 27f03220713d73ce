"""What every place that keeps objects keeps to, whichever it is."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neuronbuild.digest import PIECE, Digest, Pieces, digest_bytes, digest_file, digest_whole_and_pieces
from neuronbuild.errors import BlobCorruptError, StoreError
from neuronbuild.store.location import open_objects
from neuronbuild.store.objects import retry
from neuronbuild.store.objects.base import ObjectStore
from neuronbuild.store.objects.local import LocalObjects
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.objects.remote import RemoteObjects
from tests.doubles import s3
from tests.doubles.quirky import serving
from tests.tools import example_store
from tests.unit.store.backends import MemoryBackend, failing
from tests.unit.store.disks import fill, make_read_only, small_disk

NAME = "v1/blobs/sha256/ab/" + "ab" * 32
OTHER = "v1/blobs/sha256/cd/" + "cd" * 32
OPERATIONS: dict[str, Callable[[ObjectStore, object], object]] = {
    "read": lambda objects, _: objects.read(NAME),
    "write": lambda objects, _: objects.write(NAME, b"new"),
    "add_file": lambda objects, folder: objects.add_file(NAME, folder / "source"),
    "read_to": lambda objects, folder: objects.read_to(NAME, folder / "fetched"),
    "size": lambda objects, _: objects.size(NAME),
    "list": lambda objects, _: list(objects.list("v1/")),
    "delete": lambda objects, _: objects.delete(NAME),
    "move": lambda objects, _: objects.move(NAME, OTHER),
}


TOGETHER = {
    "strict": (),
    "poor": ("no-checksums", "old-listing", "no-conditions", "chunked", "foreign-keys", "no-uploads-list"),
    "demanding": ("virtual-only", "kms-only", "other-region", "small-pages", "slow-down", "no-dates"),
    "crude": ("ignores-conditions", "older-listing", "no-checksums-501", "no-tags"),
}
"""Servers with several quirks each."""

ALONE = (
    "no-checksums", "no-checksums-501", "virtual-only", "virtual-only-cos", "kms-only", "no-conditions", "no-conditions-400",
    "ignores-conditions", "old-listing", "older-listing", "small-pages", "foreign-keys", "no-tags", "other-tags", "no-dates",
    "other-region", "slow-down", "chunked", "no-uploads-list",
)  # fmt: skip
PLACES = [
    "memory",
    "local",
    "example",
    "unreliable",
    *s3.SERVERS,
    "poor",
    "demanding",
    *(pytest.param(quirk, marks=pytest.mark.soak) for quirk in ("strict", "crude", *ALONE)),
]


TWO_STEPS = ("moto",)
"""Servers that check a condition and write in two steps: of several writers at once, two may be told that they succeeded."""


@pytest.fixture(params=PLACES)
def objects(request, tmp_path, servers, monkeypatch) -> Iterator[ObjectStore]:
    kind = request.param
    if kind in s3.SERVERS:
        yield open_objects(s3.location(servers(kind)))
    elif kind == "example":
        yield open_objects(f"{example_store.install(tmp_path, monkeypatch)[1]}team")
    elif kind == "unreliable":  # every third request of each kind fails, and is made again
        monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)
        yield RemoteObjects(failing(MemoryBackend(), lambda _, number: number % 3 == 0))
    elif kind in {"memory", "local"}:
        yield MemoryObjects() if kind == "memory" else LocalObjects(tmp_path / "store")
    else:
        with serving(*TOGETHER.get(kind, (kind,))) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            yield open_objects(server.location())


@pytest.fixture
def exclusive(request, objects) -> ObjectStore:
    """A place where one of several writers at once succeeds."""
    if not honours(objects):
        pytest.skip("this server ignores conditional writes")
    if request.node.callspec.params["objects"] in TWO_STEPS:
        pytest.skip("this server checks a condition and writes in two steps")
    return objects


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(b"from a file")
    return tmp_path / "source"


def entries(objects: ObjectStore, prefix: str = "v1/") -> dict[str, int]:
    return {entry.name: entry.size for entry in objects.list(prefix)}


def stamp(objects: ObjectStore) -> str:
    return next(entry.stamp for entry in objects.list("v1/") if entry.name == NAME)


def test_what_was_written_is_read(objects):
    objects.write(NAME, b"bytes")
    assert objects.read(NAME) == b"bytes"
    assert objects.size(NAME) == 5


def test_writing_again_replaces(objects):
    objects.write(NAME, b"first, and longer")
    objects.write(NAME, b"second")
    assert objects.read(NAME) == b"second"


def test_an_object_may_be_empty(objects, tmp_path):
    objects.write(NAME, b"")
    assert objects.read(NAME) == b""
    assert objects.size(NAME) == 0
    assert objects.read_to(NAME, tmp_path / "fetched")


def test_a_missing_object_is_an_answer(objects, tmp_path):
    assert objects.read(NAME) is None
    assert objects.size(NAME) is None
    assert objects.read_to(NAME, tmp_path / "fetched") is None
    assert not (tmp_path / "fetched").exists()


def test_a_folder_of_objects_is_no_object(objects, tmp_path):
    objects.write(NAME, b"bytes")
    folder = NAME.rpartition("/")[0]
    assert objects.read(folder) is None
    assert objects.size(folder) is None
    assert objects.read_to(folder, tmp_path / "fetched") is None


def test_a_file_is_added_and_fetched(objects, source, tmp_path):
    objects.add_file(NAME, source)
    assert objects.read_to(NAME, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"from a file"


def test_an_added_file_stays_as_it_is(objects, source):
    source.chmod(0o640)
    before = source.stat()
    objects.add_file(NAME, source)
    after = source.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_ino, after.st_nlink) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ino,
        1,
    )


def test_an_object_doesnt_change_with_the_file_that_it_came_from(objects, source):
    objects.add_file(NAME, source)
    with source.open("r+b") as file:
        file.write(b"CHANGED")
    assert objects.read(NAME) == b"from a file"


def test_an_object_doesnt_change_with_the_file_that_was_fetched(objects, tmp_path):
    objects.write(NAME, b"bytes")
    objects.read_to(NAME, tmp_path / "fetched")
    (tmp_path / "fetched").write_bytes(b"other")
    assert objects.read(NAME) == b"bytes"


def test_a_file_that_isnt_there_cant_be_added(objects, tmp_path):
    with pytest.raises(StoreError, match="absent"):
        objects.add_file(NAME, tmp_path / "absent")
    assert objects.size(NAME) is None


def test_fetching_never_replaces_a_file(objects, tmp_path):
    objects.write(NAME, b"bytes")
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(StoreError):
        objects.read_to(NAME, tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_listing_goes_to_any_depth_and_keeps_to_its_prefix(objects):
    for name in ("v1/a", "v1/b/c", "v1/b/d/e/f", "v10/g", "w/h"):
        objects.write(name, name.encode())
    assert entries(objects) == {"v1/a": 4, "v1/b/c": 6, "v1/b/d/e/f": 10}
    assert entries(objects, "v1/b/") == {"v1/b/c": 6, "v1/b/d/e/f": 10}


def test_a_listing_of_nothing_is_empty(objects):
    assert entries(objects) == {}
    objects.write("v1/a", b"")
    assert entries(objects, "v1/a/") == {}


def test_objects_may_go_while_they_are_listed(objects):
    for name in "abcdef":
        objects.write(f"v1/{name}", b"bytes")
    listing = objects.list("v1/")
    first = next(listing).name
    for name in "abcdef":
        objects.delete(f"v1/{name}")
    assert {first, *(entry.name for entry in listing)} <= {f"v1/{name}" for name in "abcdef"}


def test_a_stamp_stays_until_the_object_is_written_again(objects):
    objects.write(NAME, b"bytes")
    first = stamp(objects)
    objects.write(OTHER, b"bytes")
    assert stamp(objects) == first
    objects.write(NAME, b"other")
    assert stamp(objects) != first


def test_deleting_twice_is_no_error(objects):
    objects.write(NAME, b"bytes")
    objects.delete(NAME)
    objects.delete(NAME)
    assert objects.read(NAME) is None
    assert entries(objects) == {}


def test_moving_twice_is_no_error(objects):
    objects.write(NAME, b"bytes")
    objects.move(NAME, "quarantine/x")
    objects.move(NAME, "quarantine/x")
    assert objects.read(NAME) is None
    assert objects.read("quarantine/x") == b"bytes"


def test_moving_replaces_the_target(objects):
    objects.write(NAME, b"new")
    objects.write(OTHER, b"old")
    objects.move(NAME, OTHER)
    assert objects.read(OTHER) == b"new"


def test_writers_of_one_name_leave_one_whole_object(objects, tmp_path):
    if not honours(objects):
        pytest.skip("this server shows objects half written")
    values = [bytes([number]) * 50_000 for number in range(8)]

    def write(number: int) -> None:
        (tmp_path / f"source{number}").write_bytes(values[number])
        for _ in range(5):
            objects.write(NAME, values[number])
            objects.add_file(NAME, tmp_path / f"source{number}")
            assert objects.read(NAME) in values

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert objects.read(NAME) in values
    assert entries(objects) == {NAME: 50_000}


def test_only_the_first_of_two_new_objects_is_put(objects):
    tag = objects.write(NAME, b"first", None)
    assert tag
    assert objects.write(NAME, b"second", None) is None
    assert objects.look(NAME)[:2] == (b"first", tag)


def test_a_version_is_replaced_only_by_who_knows_it(objects):
    first = objects.write(NAME, b"first")
    second = objects.write(NAME, b"second", first)
    assert second not in {None, first}
    assert objects.write(NAME, b"third", first) is None
    assert objects.read(NAME) == b"second"
    assert objects.write(OTHER, b"new", first) is None
    assert objects.read(OTHER) is None


def test_a_version_is_deleted_only_by_who_knows_it(objects):
    first = objects.write(NAME, b"first")
    second = objects.write(NAME, b"second")
    assert not objects.delete(NAME, first)
    assert objects.read(NAME) == b"second"
    assert objects.delete(NAME, second)
    assert objects.delete(NAME, second)
    assert objects.read(NAME) is None


def test_of_many_who_put_a_new_object_one_succeeds(exclusive):
    values = [f"writer {number}".encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(lambda value: exclusive.write(NAME, value, None), values))
    (winner,) = [value for value, tag in zip(values, tags, strict=True) if tag]
    assert exclusive.read(NAME) == winner


def test_of_many_who_replace_a_version_one_succeeds(exclusive):
    first = exclusive.write(NAME, b"first")
    values = [f"writer {number}".encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(lambda value: exclusive.write(NAME, value, first), values))
    (winner,) = [value for value, tag in zip(values, tags, strict=True) if tag]
    assert exclusive.read(NAME) == winner


def has_tags(objects: ObjectStore) -> bool:
    """Whether a place tells versions apart by more than their dates."""
    return not isinstance(objects, RemoteObjects) or objects.honours_conditions() or objects._conditions._has_tags


def honours(objects: ObjectStore) -> bool:
    return not isinstance(objects, RemoteObjects) or objects.honours_conditions()


def test_an_old_object_is_older_than_a_new_one_by_its_places_own_clock(objects):
    objects.write(NAME, b"bytes")
    assert 0 <= objects.look(NAME).age < 30


def test_a_large_file_goes_there_and_back_in_pieces(objects, tmp_path):
    digest, pieces = large(tmp_path / "large")
    objects.add_file(NAME, tmp_path / "large", pieces)
    assert objects.size(NAME) == digest.size
    assert objects.digest(NAME) == digest
    for name, wanted in (("whole", Pieces.whole(digest)), ("pieces", pieces), ("unchecked", None)):
        assert objects.read_to(NAME, tmp_path / name, "copy", wanted) == "copy"
        assert digest_file(tmp_path / name) == digest


def large(path: Path) -> tuple[Digest, Pieces]:
    """A file of three pieces and a bit."""
    path.write_bytes(random.Random(0).randbytes(3 * PIECE + 1000))
    digest, pieces = digest_whole_and_pieces(path)
    assert pieces is not None
    return digest, pieces


def test_a_file_that_isnt_what_its_pieces_say_isnt_taken(objects, tmp_path, source):
    _, pieces = large(tmp_path / "large")
    with (tmp_path / "large").open("r+b") as file:
        file.seek(2 * PIECE + 5)
        file.write(b"damage")
    with pytest.raises(StoreError, match="holds other bytes"):
        objects.add_file(NAME, tmp_path / "large", pieces)
    with pytest.raises(StoreError, match="holds other bytes"):
        objects.add_file(NAME, source, Pieces.whole(digest_bytes(b"something else")))
    assert objects.size(NAME) is None


@pytest.mark.parametrize("length", [0, 7, 3 * PIECE + 999, 3 * PIECE + 1001, 5 * PIECE])
def test_an_object_that_isnt_what_its_pieces_say_is_refused(objects, tmp_path, length):
    _, pieces = large(tmp_path / "large")
    (tmp_path / "other").write_bytes((tmp_path / "large").read_bytes()[:length].ljust(length, b"."))
    objects.add_file(NAME, tmp_path / "other")
    with pytest.raises(BlobCorruptError):
        objects.read_to(NAME, tmp_path / "fetched", "copy", pieces)
    assert not (tmp_path / "fetched").exists()


def test_what_is_received_appears_whole_or_not_at_all(objects):
    objects.receive(NAME, lambda path: path.write_bytes(b"received"))
    assert objects.read(NAME) == b"received"

    def fail(path: Path) -> None:
        path.write_bytes(b"half of it")
        raise StoreError("elsewhere", "it broke off")

    with pytest.raises(StoreError, match="it broke off"):
        objects.receive(OTHER, fail)
    assert objects.read(OTHER) is None


def test_a_touch_changes_nothing_but_the_time_of_use(objects):
    objects.write(NAME, b"bytes")
    before = objects.stat(NAME)
    time.sleep(1.1)
    objects.touch(NAME)
    objects.touch("v1/absent")
    after = objects.stat(NAME)
    assert after[:2] == before[:2]
    assert after.stamp == before.stamp or not has_tags(objects)
    assert after.used > before.used
    assert entries(objects) == {NAME: 5}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_file_in_the_folders_place_is_a_store_error_or_an_empty_store(operation, source, tmp_path):
    (tmp_path / "store").write_bytes(b"a file")
    objects = LocalObjects(tmp_path / "store")
    if operation in {"read", "read_to", "size", "list"}:
        assert not OPERATIONS[operation](objects, tmp_path)
    else:
        with pytest.raises(StoreError, match="Not a directory"):
            OPERATIONS[operation](objects, tmp_path)


@pytest.mark.parametrize("operation", ["write", "add_file", "delete", "move"])
def test_a_store_that_cant_be_written_says_so_and_stays_readable(operation, source, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        objects = LocalObjects(disk)
        objects.write(NAME, b"bytes")
        make_read_only(disk)
        with pytest.raises(StoreError, match="Read-only") as caught:
            OPERATIONS[operation](objects, tmp_path)
        assert "--cache" in str(caught.value.hint)
        assert objects.read(NAME) == b"bytes"
        assert objects.read_to(NAME, tmp_path / "fetched")


@pytest.mark.parametrize("operation", ["write", "add_file"])
def test_a_full_disk_says_so_and_leaves_what_was_there(operation, tmp_path):
    (tmp_path / "source").write_bytes(bytes(200_000))
    with small_disk(tmp_path / "disk") as disk:
        objects = LocalObjects(disk)
        objects.write(NAME, b"bytes")
        fill(disk, but=100)
        with pytest.raises(StoreError, match="No space left") as caught:
            objects.write(NAME, bytes(200_000)) if operation == "write" else objects.add_file(NAME, tmp_path / "source")
        assert "free some space" in str(caught.value.hint)
        assert objects.read(NAME) == b"bytes"
        assert list((disk / "tmp").iterdir()) == []


def test_fetching_to_a_full_disk_leaves_no_part_of_a_file(objects, tmp_path):
    objects.write(NAME, bytes(200_000))
    with small_disk(tmp_path / "disk") as disk:
        fill(disk, but=100)
        with pytest.raises(StoreError, match="No space left"):
            objects.read_to(NAME, disk / "fetched")
        assert not (disk / "fetched").exists()
