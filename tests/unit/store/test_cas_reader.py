from __future__ import annotations

from neuronbuild.store.cas_reader import UNREADABLE, quarantine
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.unit.store.artifacts import key_of, put


def test_the_log_is_not_needed_for_an_artifact_to_be_whole():
    store = open_store("memory:")
    manifest = put(store, 1)
    store.objects.delete(blob_name(manifest.log.sha256))
    assert store.missing(manifest) is None
    assert store.read_blob(manifest.log) is None


def test_what_is_put_aside_keeps_its_name_and_is_out_of_the_way():
    store = open_store("memory:")
    manifest = put(store, 1)
    quarantine(store.objects, action_name(manifest.key))
    assert store.lookup(manifest.key) is None
    assert [entry.name for entry in store.objects.list("quarantine/")] == [
        f"quarantine/v1_actions_{manifest.key[:2]}_{manifest.key}.json"
    ]


def test_it_names_its_place(tmp_path):
    assert open_store(str(tmp_path)).location == str(tmp_path)


def test_an_artifact_can_be_inspected_without_a_use_of_it():
    store = open_store("memory:")
    manifest = put(store, 1)
    used = store.objects.stat(action_name(manifest.key)).used
    assert store.inspect(manifest.key) == manifest
    assert store.objects.stat(action_name(manifest.key)).used == used
    assert store.inspect(key_of(2)) == UNREADABLE


def test_the_keys_of_all_records_are_listed_in_order():
    store = open_store("memory:")
    for number in (3, 1, 2):
        put(store, number)
    store.objects.write(action_name(key_of(4)), b"can't be read")
    assert store.recorded_keys() == sorted(map(key_of, (1, 2, 3, 4)))
