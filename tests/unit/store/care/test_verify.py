from __future__ import annotations

import pytest

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.cas import CasStore
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name, snapshot_name
from neuronbuild.store.trust import Trust, make_key, open_signer, public_key
from tests.unit.store.artifacts import contents, key_of, make_newer, put

SNAPSHOT = Snapshot("my/model", None, {"config.json": digest_bytes(b"{}")}, license="mit")


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    store = open_store("memory:" if request.param == "memory" else str(tmp_path / "store"))
    put(store, 1)
    put(store, 2)
    store.record_snapshot(SNAPSHOT)
    return store


def damages(store, *, repair=False):
    return {damage.name: damage.problem for damage in verify_store(store, repair=repair).damages}


def test_a_sound_store_has_no_damage(store):
    report = verify_store(store, repair=False)
    counts = {
        "artifacts": 2,
        "newer": 0,
        "untrusted": 0,
        "blobs": 5,
        "bytes": report.size,
        "skipped": 0,
        "strays": [],
        "unreadable": [],
    }
    assert report.as_json() == {"version": 1, "location": store.location, **counts, "damages": []}


def test_an_altered_blob_is_found_and_with_it_the_artifacts_that_need_it(store):
    name = blob_name(digest_bytes(contents(1)["model.pt2"]).sha256)
    store.objects.write(name, bytes(40))
    found = damages(store)
    assert "other bytes" in found[name]
    assert "model.pt2" in found[action_name(key_of(1))]
    assert len(found) == 2


def test_what_a_newer_version_recorded_is_counted_and_no_damage(store):
    before = make_newer(store, 1)
    report = verify_store(store, repair=True)
    assert (report.newer, report.damages) == (1, ())
    assert store.objects.read(action_name(key_of(1))) == before


def test_what_no_trusted_builder_signed_is_counted_apart_and_never_moved(store, tmp_path):
    reader = CasStore(store.objects, trust=Trust((make_key(tmp_path / "another"),)))
    before = list(store.objects.list("v1/"))
    report = verify_store(reader, repair=True)
    assert (report.untrusted, report.damages) == (2, ())
    assert list(store.objects.list("v1/")) == before


def test_an_untrusted_record_that_lacks_a_blob_is_damaged_all_the_same(store, tmp_path):
    reader = CasStore(store.objects, trust=Trust((make_key(tmp_path / "another"),)))
    store.objects.delete(blob_name(digest_bytes(contents(1)["model.pt2"]).sha256))
    report = verify_store(reader, repair=False)
    assert (report.untrusted, [damage.name for damage in report.damages]) == (2, [action_name(key_of(1))])


def test_a_signed_snapshot_has_the_name_of_what_it_says(store, tmp_path):
    make_key(tmp_path / "mine")
    signer = CasStore(store.objects, trust=Trust((), open_signer(tmp_path / "mine"), public_key(tmp_path / "mine")))
    signer.record_snapshot(SNAPSHOT)
    assert b"ed25519:" in store.objects.read(snapshot_name(SNAPSHOT.digest.sha256))
    assert damages(store) == {}


def test_a_swapped_manifest_is_found(store):
    store.objects.write(action_name(key_of(1)), store.objects.read(action_name(key_of(2))))
    assert "another action" in damages(store)[action_name(key_of(1))]


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'"text"'])
def test_snapshots_and_manifests_that_are_none_are_found(store, data):
    names = {snapshot_name(SNAPSHOT.digest.sha256), action_name(key_of(1))}
    for name in names:
        store.objects.write(name, data)
    assert damages(store).keys() == names


def test_repair_puts_aside_what_is_damaged(store):
    store.objects.write(blob_name(digest_bytes(contents(1)["model.pt2"]).sha256), bytes(40))
    damages(store, repair=True)
    assert damages(store) == {}
    assert store.known([key_of(1), key_of(2)]) == {key_of(2): None}


def test_without_repair_nothing_is_touched(store):
    store.objects.write(blob_name(digest_bytes(contents(1)["model.pt2"]).sha256), bytes(40))
    before = list(store.objects.list("v1/"))
    damages(store)
    assert list(store.objects.list("v1/")) == before


def test_one_that_was_interrupted_goes_on_where_it_was(store, tmp_path, monkeypatch):
    progress = tmp_path / "progress.json"
    read, names = store.objects.digest, []

    def interrupted(name):
        names.append(name)
        if len(names) == 4:
            raise KeyboardInterrupt
        return read(name)

    monkeypatch.setattr(store.objects, "digest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify_store(store, repair=False, progress=progress)
    monkeypatch.setattr(store.objects, "digest", read)
    report = verify_store(store, repair=False, progress=progress)
    assert 1 <= report.skipped <= 4
    assert (report.blobs, report.damages) == (5, ())
    assert not progress.exists()


def test_a_blob_that_changed_since_is_read_again(store, tmp_path):
    progress = tmp_path / "progress.json"
    name = blob_name(digest_bytes(contents(1)["model.pt2"]).sha256)
    stamp = store.objects.stat(name).stamp
    progress.write_text(f'{{"{name}": ["{stamp}"]}}')
    store.objects.write(name, bytes(40))
    assert verify_store(store, repair=False, progress=progress).skipped == 0
    progress.write_text("[" * 100)
    assert len(verify_store(store, repair=False, progress=progress).damages) == 2
