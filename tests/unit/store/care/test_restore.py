from __future__ import annotations

import pytest

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.store.care.restore import restore_store
from neuronbuild.store.cas import CasStore
from neuronbuild.store.cas_reader import quarantine
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name, quarantine_name
from neuronbuild.store.trust import Trust, make_key
from tests.unit.store.artifacts import contents, get, key_of, make_newer, put

BLOB = blob_name(digest_bytes(contents(1)["model.pt2"]).sha256)
RECORD = action_name(key_of(1))


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    """A store of two artifacts and a snapshot, all of it put aside."""
    store = open_store("memory:" if request.param == "memory" else str(tmp_path / "store"))
    put(store, 1)
    put(store, 2)
    store.record_snapshot(Snapshot("my/model", None, {"config.json": digest_bytes(b"{}")}))
    for entry in list(store.objects.list("v1/")):
        quarantine(store.objects, entry.name)
    assert list(store.objects.list("v1/")) == []
    return store


def test_what_is_sound_comes_back(store, tmp_path):
    restored = restore_store(store)
    assert restored.as_json() == {
        "version": 1, "location": store.location, "artifacts": 2, "blobs": 5, "snapshots": 1, "left": [],
    }  # fmt: skip
    assert get(store, 1, tmp_path) == contents(1)
    assert list(store.objects.list("quarantine/")) == []
    assert restore_store(store).artifacts == 0


def test_it_comes_back_whoever_signed_it(store, tmp_path):
    reader = CasStore(store.objects, trust=Trust((make_key(tmp_path / "key"),)))
    assert restore_store(reader).artifacts == 2
    assert store.lookup(key_of(1)) is not None


def test_a_damaged_blob_stays_and_with_it_the_record_that_names_it(store):
    store.objects.write(quarantine_name(BLOB), bytes(40))
    restored = restore_store(store)
    problems = dict(restored.left)
    assert problems[quarantine_name(BLOB)] == "it holds other bytes"
    assert "missing" in problems[quarantine_name(RECORD)]
    assert (restored.artifacts, restored.blobs) == (1, 4)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5000])
def test_a_damaged_record_stays(store, data):
    store.objects.write(quarantine_name(RECORD), data)
    restored = restore_store(store)
    assert [name for name, _ in restored.left] == [quarantine_name(RECORD)]
    assert store.objects.size(RECORD) is None


def test_a_record_of_another_action_stays(store):
    store.objects.write(quarantine_name(RECORD), store.objects.read(quarantine_name(action_name(key_of(2)))))
    assert restore_store(store).left == ((quarantine_name(RECORD), "it is the manifest of another action"),)


def test_a_newer_versions_record_stays(store):
    data = make_newer(open_store("memory:"), 1)
    store.objects.write(quarantine_name(RECORD), data)
    assert [name for name, _ in restore_store(store).left] == [quarantine_name(RECORD)]


def test_what_was_built_since_stays_in_its_place(store):
    again = put(store, 1, 600)
    restored = restore_store(store)
    assert dict(restored.left)[quarantine_name(RECORD)] == "another one is in its place"
    assert store.lookup(key_of(1)) == again


def test_what_is_damaged_in_its_place_makes_room(store, tmp_path):
    for name in (BLOB, RECORD):
        store.objects.write(name, b"damaged")
    assert restore_store(store).left == ()
    assert get(store, 1, tmp_path) == contents(1)


@pytest.mark.parametrize(
    "name",
    ["quarantine/x", "quarantine/v1_actions_x", "quarantine/v1_blobs_sha256_zz_" + "a" * 64, "quarantine/a/v1_leases_x.json"],
)
def test_names_of_no_stores_object_stay(store, name):
    store.objects.write(name, b"data")
    assert dict(restore_store(store).left) == {name: "nothing of a store has such a name"}
