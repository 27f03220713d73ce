from __future__ import annotations

from neuronbuild.store.cas import quarantine
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.unit.store.artifacts import key_of, put


def test_a_store_can_be_read_with_common_tools(tmp_path):
    manifest = put(open_store(str(tmp_path)), 1)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    blobs = {blob_name(digest.sha256) for digest in [*manifest.blobs(), manifest.log]}
    assert files == {action_name(key_of(1)), *blobs, "versions.lock"}


def test_the_log_is_not_needed_for_an_artifact_to_be_whole():
    store = open_store("memory:")
    manifest = put(store, 1)
    store.objects.delete(blob_name(manifest.log.sha256))
    assert store.lack(manifest) is None
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
