"""What a store keeps to over any place that keeps objects: what leaves it is right, whatever happens to what is in it."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import sys
import time

import pytest

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import ActionKey, Digest, digest_bytes
from neuronbuild.errors import NEWER, BlobCorruptError, BlobMissingError, NewerRecordError, StoreError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.cas_reader import FEW
from neuronbuild.store.location import open_store
from neuronbuild.store.names import ACTIONS, SNAPSHOTS, action_name, blob_name
from neuronbuild.store.objects.local import LocalObjects
from tests.unit.artifact.records import plain, sealed
from tests.unit.store.artifacts import assert_whole, contents, get, key_of, make_newer, put
from tests.unit.store.disks import make_read_only, small_disk

CROWD = [ActionKey(digest_bytes(str(number).encode()).sha256) for number in range(FEW)]


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path) -> CasStore:
    return open_store("memory:" if request.param == "memory" else str(tmp_path / "store"))


@pytest.fixture(params=["one by one", "by listing"])
def known(request):
    """What a store says of some keys, in both of its ways."""
    crowd = [] if request.param == "one by one" else CROWD
    return lambda store, *numbers: store.known([*(key_of(number) for number in numbers), *crowd])


def spoil(store: CasStore, name: str, data: bytes) -> None:
    """Have other bytes in an object's place."""
    assert store.objects.read(name) is not None
    store.objects.write(name, data)


def has(store: CasStore, digest: Digest) -> bool:
    """Whether a blob of that name and size is there."""
    return store.objects.size(blob_name(digest.sha256)) == digest.size


def model_of(number: int) -> Digest:
    return digest_bytes(contents(number)["model.pt2"])


def test_what_was_put_in_comes_out(store, tmp_path):
    manifest = put(store, 1)
    assert store.lookup(key_of(1)) == manifest
    assert get(store, 1, tmp_path) == contents(1)


def test_an_action_that_was_never_recorded_has_no_manifest(store):
    put(store, 1)
    assert store.lookup(key_of(2)) is None


def test_a_blob_is_added_once(store, tmp_path):
    (tmp_path / "file").write_bytes(b"bytes")
    digest = store.add("file", tmp_path / "file").digest
    before = [entry[:3] for entry in store.objects.list("v1/")]
    assert store.add("file", tmp_path / "file").digest == store.add_bytes(b"bytes") == digest == digest_bytes(b"bytes")
    assert [entry[:3] for entry in store.objects.list("v1/")] == before
    assert has(store, digest)


def test_a_truncated_blob_is_added_again(store, tmp_path):
    (tmp_path / "file").write_bytes(b"bytes")
    digest = store.add("file", tmp_path / "file").digest
    for add in (lambda: store.add("file", tmp_path / "file"), lambda: store.add_bytes(b"bytes")):
        spoil(store, blob_name(digest.sha256), b"by")
        assert not has(store, digest)
        add()
        assert store.objects.read(blob_name(digest.sha256)) == b"bytes"


def test_artifacts_share_blobs(store):
    put(store, 1)
    put(store, 2)
    logs, models, shared = 2, 2, 1
    assert len(list(store.objects.list("v1/blobs/"))) == logs + models + shared


def test_manifests_come_in_order_of_keys_and_without_those_that_cant_be_read(store):
    for number in (1, 2, 3):
        put(store, number)
    spoil(store, action_name(key_of(2)), b"{}")
    store.objects.write(ACTIONS + "ab/notes.txt", b"{}")
    store.objects.write(ACTIONS + "ab/notes.json", b"{}")
    assert [manifest.key for manifest in store.manifests()] == sorted([key_of(1), key_of(3)])


def test_recorded_artifacts_are_known(store, known):
    put(store, 1)
    put(store, 2)
    assert known(store, 1, 2, 3) == {key_of(1): None, key_of(2): None}


def test_nothing_is_known_of_an_empty_store(store, known):
    assert known(store, 1) == {}


def test_a_missing_blob_is_a_miss_that_names_the_file(store, known, tmp_path):
    put(store, 1)
    store.objects.delete(blob_name(model_of(1).sha256))
    assert "model.pt2 is missing" in known(store, 1)[key_of(1)]
    with pytest.raises(BlobMissingError, match=model_of(1).sha256):
        get(store, 1, tmp_path)


def test_a_truncated_blob_is_a_miss_that_names_the_file(store, known):
    put(store, 1)
    spoil(store, blob_name(model_of(1).sha256), b"short")
    assert "model.pt2 is damaged in the store: 5 bytes instead of 40" in known(store, 1)[key_of(1)]


def test_an_altered_blob_is_refused_put_aside_and_a_miss_from_then_on(store, known, tmp_path):
    put(store, 1)
    assert known(store, 1) == {key_of(1): None}
    spoil(store, blob_name(model_of(1).sha256), bytes(40))
    with pytest.raises(BlobCorruptError, match="other bytes"):
        get(store, 1, tmp_path)
    assert [entry.size for entry in store.objects.list("quarantine/")] == [40]
    assert "missing" in known(store, 1)[key_of(1)]
    put(store, 1)
    assert get(store, 1, tmp_path) == contents(1)


def test_a_manifest_that_is_wrong_about_a_size_doesnt_cost_the_blob(store, known, tmp_path):
    data = plain(put(store, 1))
    data["files"][0]["digest"]["size"] += 1
    spoil(store, action_name(key_of(1)), sealed(data))
    with pytest.raises(BlobCorruptError):
        get(store, 1, tmp_path)
    assert has(store, model_of(1))
    assert "damaged" in known(store, 1)[key_of(1)]


def test_a_refused_blob_leaves_nothing_at_its_destination(store, tmp_path):
    put(store, 1)
    spoil(store, blob_name(model_of(1).sha256), bytes(40))
    with pytest.raises(BlobCorruptError):
        store.fetch(model_of(1), tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_an_altered_log_reads_as_none(store):
    manifest = put(store, 1)
    assert store.read_blob(manifest.log) == b"log 1"
    spoil(store, blob_name(manifest.log.sha256), b"log 2")
    assert store.read_blob(manifest.log) is None


def test_a_manifest_moved_under_another_key_is_none(store, known):
    put(store, 1)
    put(store, 2)
    spoil(store, action_name(key_of(2)), store.objects.read(action_name(key_of(1))))
    assert store.lookup(key_of(2)) is None
    assert "can't be read" in known(store, 2)[key_of(2)]
    assert [manifest.key for manifest in store.manifests()] == [key_of(1)]


def test_a_manifest_of_another_action_under_its_key_is_none(store):
    put(store, 1)
    data = plain(put(store, 2))
    spoil(store, action_name(key_of(1)), sealed({**data, "key": key_of(1)}))
    assert store.lookup(key_of(1)) is None


def test_a_manifest_cut_at_any_byte_is_none():
    store = open_store("memory:")
    whole = encode(put(store, 1)).rstrip()
    for length in range(len(whole)):
        store.objects.write(action_name(key_of(1)), whole[:length])
        assert store.lookup(key_of(1)) is None


def test_a_manifest_of_a_future_format_is_neither_had_nor_missing(store, known):
    put(store, 2)
    make_newer(store, 1)
    with pytest.raises(NewerRecordError, match="recorded by a newer version of neuronbuild") as caught:
        store.lookup(key_of(1))
    assert "newer neuronbuild" in caught.value.hint
    assert known(store, 1, 2) == {key_of(1): NEWER, key_of(2): None}
    assert [manifest.key for manifest in store.manifests()] == [key_of(2)]
    assert store.recorded_keys() == sorted([key_of(1), key_of(2)])


@pytest.mark.parametrize("path", ["../model.pt2", "/etc/passwd", "a/../../b", "", "a//b", "a\\b", "a\0b"])
def test_a_manifest_with_a_path_that_leads_out_is_none(store, path):
    data = plain(put(store, 1))
    data["files"][0]["path"] = path
    spoil(store, action_name(key_of(1)), sealed(data))
    assert store.lookup(key_of(1)) is None


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"\xff", b"[" * 5000, b'{"format": 1e999}', b'"\\ud800"', b"9" * 5000])
def test_a_manifest_that_is_no_manifest_is_none(store, known, data):
    put(store, 1)
    spoil(store, action_name(key_of(1)), data)
    assert store.lookup(key_of(1)) is None
    assert "can't be read" in known(store, 1)[key_of(1)]


def test_a_snapshot_is_recorded_once(store):
    snapshot = Snapshot("my/model", "c0ffee", {"config.json": digest_bytes(b"{}")})
    store.record_snapshot(snapshot)
    before = list(store.objects.list(SNAPSHOTS))
    store.record_snapshot(snapshot)
    assert list(store.objects.list(SNAPSHOTS)) == before
    assert before[0].name.endswith(f"/{snapshot.digest.sha256}.json")
    assert digest_bytes(store.objects.read(before[0].name)).size == before[0].size


class TestTheIndex:
    """The index is a convenience: whatever happens to it, what a store knows stays right."""

    @pytest.fixture
    def folder(self, tmp_path):
        store = open_store(str(tmp_path / "store"))
        put(store, 1)
        put(store, 2)
        assert self.known(tmp_path / "store") == {key_of(1): None, key_of(2): None}
        return tmp_path / "store"

    @staticmethod
    def known(folder):
        return open_store(str(folder)).known([key_of(1), key_of(2), *CROWD])

    def test_it_is_written_and_used(self, folder):
        manifest = folder / action_name(key_of(1))
        stat = manifest.stat()
        manifest.chmod(0o644)
        manifest.write_bytes(b"unread")
        os.utime(manifest, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert self.known(folder)[key_of(1)] is None

    def test_what_it_hides_comes_out_at_the_first_look(self, folder):
        self.test_it_is_written_and_used(folder)
        store = open_store(str(folder))
        assert store.lookup(key_of(1)) is None
        assert "can't be read" in store.known([key_of(1), *CROWD])[key_of(1)]

    def test_a_stale_one_is_harmless(self, folder):
        store = open_store(str(folder))
        store.objects.delete(blob_name(model_of(2).sha256))
        store.objects.write(action_name(key_of(1)), b"{}")
        known = self.known(folder)
        assert "can't be read" in known[key_of(1)]
        assert "missing" in known[key_of(2)]

    def test_one_cut_at_any_byte_is_harmless(self, folder):
        index = (folder / "index.json").read_bytes()
        for length in range(0, len(index), 5):
            (folder / "index.json").write_bytes(index[:length])
            assert self.known(folder) == {key_of(1): None, key_of(2): None}

    @pytest.mark.parametrize("text", ["[]", "{}", "null", '{"a": 1}', '{"a": ["b", [["c", 1, 2]]]}', "[" * 100_000, "\x00"])
    def test_one_that_holds_something_else_is_harmless(self, folder, text):
        (folder / "index.json").write_text(text)
        assert self.known(folder) == {key_of(1): None, key_of(2): None}

    def test_a_folder_in_its_place_is_harmless(self, folder):
        (folder / "index.json").unlink()
        (folder / "index.json").mkdir()
        assert self.known(folder) == {key_of(1): None, key_of(2): None}
        assert not list(folder.glob(".index*"))


class TestLinks:
    """Ways of taking a blob out of a folder."""

    @pytest.fixture
    def store(self, tmp_path):
        store = open_store(str(tmp_path / "store"))
        put(store, 1)
        return store

    def test_a_hard_link_is_the_blob_itself_and_read_only(self, store, tmp_path):
        assert store.fetch(model_of(1), tmp_path / "file", "hardlink") == "hardlink"
        stat = (tmp_path / "file").stat()
        assert stat.st_ino == store.objects.local_path(blob_name(model_of(1).sha256)).stat().st_ino
        assert stat.st_mode & 0o222 == 0

    def test_a_copy_is_ones_own(self, store, tmp_path):
        assert store.fetch(model_of(1), tmp_path / "file", "copy") == "copy"
        (tmp_path / "file").write_bytes(b"mine now")
        assert get(store, 1, tmp_path) == contents(1)

    def test_the_best_way_is_found(self, store, tmp_path):
        assert store.fetch(model_of(1), tmp_path / "file", "auto") in {"reflink", "hardlink"}
        assert (tmp_path / "file").read_bytes() == contents(1)["model.pt2"]

    def test_a_reflink_that_cant_be_made_is_an_error_and_leaves_no_file(self, store, tmp_path):
        with small_disk(tmp_path / "disk") as disk:
            with pytest.raises(StoreError, match="reflink"):
                store.fetch(model_of(1), disk / "file", "reflink")
            assert not (disk / "file").exists()

    def test_a_hard_link_to_another_disk_is_an_error_and_the_best_way_there_is_a_copy(self, store, tmp_path):
        with small_disk(tmp_path / "disk") as disk:
            with pytest.raises(StoreError, match="Invalid cross-device link"):
                store.fetch(model_of(1), disk / "file", "hardlink")
            assert store.fetch(model_of(1), disk / "file", "auto") == "copy"

    def test_an_edit_through_a_hard_link_is_noticed(self, store, tmp_path):
        store.fetch(model_of(1), tmp_path / "file", "hardlink")
        (tmp_path / "file").chmod(0o644)
        (tmp_path / "file").write_bytes(bytes(40))
        with pytest.raises(BlobCorruptError):
            store.fetch(model_of(1), tmp_path / "other", "hardlink")

    def test_a_damaged_blob_on_a_read_only_disk_is_still_refused_as_damaged(self, tmp_path):
        with small_disk(tmp_path / "disk") as disk:
            store = open_store(str(disk))
            put(store, 1)
            spoil(store, blob_name(model_of(1).sha256), bytes(40))
            make_read_only(disk)
            with pytest.raises(BlobCorruptError):
                get(store, 1, tmp_path)


def flips(path, stride: int):
    """Every version of a file with one bit turned, at one byte in `stride`."""
    data = path.read_bytes()
    for index in range(0, len(data), stride):
        flipped = bytearray(data)
        flipped[index] ^= 1 << (index // stride) % 8
        yield bytes(flipped)


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.soak)])
def test_no_turned_bit_in_any_file_gives_wrong_bytes(tmp_path, stride):
    root = tmp_path / "store"
    sound = open_store(str(root))
    expected = {number: contents(number) for number in (1, 2)}
    for number in expected:
        put(sound, number)
    sound.record_snapshot(Snapshot("my/model", None, {"config.json": digest_bytes(b"{}")}))
    sound.known([key_of(1), key_of(2), *CROWD])
    shutil.copytree(root, tmp_path / "spare")
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.chmod(0o644)
        for flipped in flips(tmp_path / "spare" / path.relative_to(root), stride):
            path.write_bytes(flipped)
            assert_right_or_refused(open_store(str(root)), expected, tmp_path)
        shutil.copy(tmp_path / "spare" / path.relative_to(root), path)
    assert {number: get(open_store(str(root)), number, tmp_path) for number in (1, 2)} == expected


def assert_right_or_refused(store: CasStore, expected: dict[int, dict[str, bytes]], folder) -> None:
    store.known([*map(key_of, expected), *CROWD])
    for number, files in expected.items():
        try:
            got = get(store, number, folder) or {}
        except StoreError:
            continue
        assert all(got[path] == files[path] for path in got.keys() & files.keys())
        assert set(got.values()) <= set(files.values())


def fork(work) -> int:
    """Do some work in a process of its own, and give its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def touches_disk(event: str, arguments: tuple) -> bool:
    """Whether one of the interpreter's audit events is a change to a file or a folder."""
    if event == "open":
        return arguments[2] & os.O_ACCMODE != os.O_RDONLY
    return event in {"os.rename", "os.mkdir", "os.chmod", "os.remove", "os.link"}


def die_at(touch: int, work) -> bool:
    """Do some work in a process that is killed before it changes the disk for the nth time; false if it never does."""
    seen = itertools.count(1)

    def watch(event: str, arguments: tuple) -> None:
        if touches_disk(event, arguments) and next(seen) == touch:
            os.kill(os.getpid(), signal.SIGKILL)

    status = os.waitpid(fork(lambda: (sys.addaudithook(watch), work())), 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_death_at_any_touch_of_the_disk_leaves_whole_artifacts_only(tmp_path):
    for touch in itertools.count(1):
        root = tmp_path / str(touch)
        killed = die_at(touch, lambda root=root: put(open_store(str(root)), 1))
        store = open_store(str(root))
        assert assert_whole(root, store) in ({0, 1} if killed else {1})
        put(store, 1)
        assert get(store, 1, tmp_path) == contents(1)
        if not killed:
            break
    assert touch > 20


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 200), marks=pytest.mark.soak)])
def test_a_death_at_any_moment_leaves_whole_artifacts_only(tmp_path, seeds):
    root = tmp_path / "store"
    store = CasStore(LocalObjects(root))
    size = 300_000
    for seed in seeds:
        child = fork(lambda seed=seed: [put(store, number, size) for number in itertools.count(1000 * seed)])
        time.sleep(random.Random(seed).uniform(0.0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert_whole(root, store)
    assert put(store, 0, size).key in {manifest.key for manifest in store.manifests()}
