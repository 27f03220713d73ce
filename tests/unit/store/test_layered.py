from __future__ import annotations

import pytest

from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.errors import StoreError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.cas_reader import FEW
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, quarantine_name, snapshot_name
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.provenance import provenance
from neuronbuild.store.remote_store import RemoteStore
from neuronbuild.store.sharing import SharingPolicy
from neuronbuild.store.trust import UNTRUSTED, Trust, make_key, open_signer
from tests.unit.artifact.actions import convert_action
from tests.unit.store.artifacts import contents, get, key_of, make_newer, model_blob, put
from tests.unit.store.disks import make_read_only, small_disk
from tests.unit.store.layers import break_down, far_memory, layered, near_memory


def test_what_is_new_goes_far_in_the_background(far, both, tmp_path):
    put(both, 1)
    assert both.close() == ["1 shared with memory:far (85 bytes)"]
    assert get(far, 1, tmp_path) == contents(1)
    assert both.close() == []


def test_several_far_stores_are_asked_in_their_order_and_all_are_filled(near, tmp_path):
    first, second = far_memory(), far_memory()
    both = layered(near, first, second)
    put(second, 1)
    assert both.lookup(key_of(1)) is not None
    put(both, 2)
    both.close()
    assert get(first, 2, tmp_path) == get(second, 2, tmp_path) == contents(2)
    assert first.lookup(key_of(1)) is None


def test_a_read_only_far_store_is_read_only(near, far):
    both = layered(near, far, read_only=True)
    put(far, 1)
    before = [entry[:3] for entry in far.objects.list("v1/")]
    assert both.lookup(key_of(1)) is not None
    put(both, 2)
    with both.acquire_lease(key_of(3), lambda _: False) as lease:
        assert lease is not None
    both.record_snapshot(Snapshot("my/model", None, {}))
    assert both.close() == []
    assert [entry[:3] for entry in far.objects.list("v1/")] == before


def test_damage_in_a_read_only_far_store_stays_there(near, far):
    put(far, 1)
    far.objects.write(model_blob(1), bytes(40))
    both = layered(near, far, read_only=True)
    assert both.lookup(key_of(1)) is None
    assert far.objects.read(model_blob(1)) == bytes(40)
    assert list(far.objects.list("quarantine/")) == []


@pytest.mark.parametrize("damage", [bytes(40), b"short", None])
def test_a_damaged_far_blob_makes_a_miss_and_is_put_aside(near, far, both, caplog, damage):
    put(far, 1)
    far.objects.delete(model_blob(1)) if damage is None else far.objects.write(model_blob(1), damage)
    assert both.prefetch([key_of(1)]) == {key_of(1)}
    assert both.known([key_of(1)])[key_of(1)] is not None
    assert both.lookup(key_of(1)) is None
    assert near.lookup(key_of(1)) is None
    assert far.objects.read(model_blob(1)) is None
    assert [entry.size for entry in far.objects.list("quarantine/")] == ([] if damage is None else [len(damage)])
    assert len(caplog.records) == 1
    put(both, 1)
    both.close()
    assert far.objects.read(model_blob(1)) == contents(1)["model.pt2"]
    assert far.missing(far.lookup(key_of(1))) is None


def test_an_unreadable_far_manifest_is_a_miss_and_is_replaced(near, far, both):
    far.objects.write(action_name(key_of(1)), b"{}")
    assert both.lookup(key_of(1)) is None
    manifest = put(both, 1)
    both.close()
    assert far.lookup(key_of(1)) == manifest


def test_an_artifact_that_others_recorded_first_stays(far, both, tmp_path):
    theirs = put(far, 1)
    near_manifest = both.record(theirs)
    both.close()
    assert far.lookup(key_of(1)) == near_manifest == theirs


def test_a_far_store_that_is_away_costs_one_warning_and_no_build(near, far, both, caplog):
    put(near, 1)
    break_down(far)
    assert both.known([key_of(1), key_of(2)]) == {key_of(1): None}
    assert both.lookup(key_of(2)) is None
    with both.acquire_lease(key_of(2), lambda _: False) as lease:
        assert lease.renew()
        put(both, 2)
    both.record_snapshot(Snapshot("my/model", None, {}))
    assert len(caplog.records) == 1
    (line,) = both.close()
    assert "1 not shared" in line
    assert "neuronbuild cache push" in line


def test_a_far_store_that_refuses_isnt_asked_again(near, far, caplog):
    asked = []

    def refuse() -> StoreError:
        asked.append(1)
        return StoreError(far.location, "access is denied")

    both = layered(near, far)
    break_down(far, refuse)
    for _ in range(5):
        assert both.lookup(key_of(1)) is None
    assert len(asked) == len(caplog.records) == 1


def test_what_is_wrong_with_the_near_store_is_the_builds_trouble(near, far, both):
    put(far, 1)
    break_down(near)
    with pytest.raises(StoreError):
        both.lookup(key_of(1))


def test_one_builder_at_a_time_over_all_machines(far):
    one, other = layered(near_memory(), far), layered(near_memory(), far)
    waited = []
    with one.acquire_lease(key_of(1), lambda _: False) as lease:
        assert lease is not None
        with other.acquire_lease(key_of(1), waited.append) as second:
            assert second is None
    assert "process" in waited[0]
    with other.acquire_lease(key_of(1), lambda _: False) as lease:
        assert lease is not None
    assert list(far.objects.list("v1/leases/")) == []


def test_the_far_lease_outlasts_the_upload(far):
    one, other = layered(near_memory(), far), layered(near_memory(), far)
    with one.acquire_lease(key_of(1), lambda _: False):
        put(one, 1)
    with other.acquire_lease(key_of(1), lambda _: True) as lease:
        assert lease is not None
        assert other.lookup(key_of(1)) is not None
    one.close()


def test_weights_of_a_model_without_a_licence_stay_here(near, far):
    manifest = converted(near, {"model.safetensors": "ab" * 32})
    both = layered(near, far)
    both.record_snapshot(Snapshot("my/model", None, {"model.safetensors": digest_of("ab" * 32)}))
    both.record(manifest)
    (line,) = both.close()
    assert "my/model aren't shared: it states no licence" in line
    assert far.lookup(manifest.key) is None
    both.record_snapshot(Snapshot("my/model", "c1", {"model.safetensors": digest_of("ab" * 32)}, license="mit"))
    both.record(manifest)
    both.close()
    assert far.lookup(manifest.key) == manifest


def digest_of(sha256: str):
    from neuronbuild.digest import Digest

    return Digest(sha256, 7)


def converted(store, weights):
    action = convert_action(weights)
    files = (FileEntry("weights.safetensors", store.add_bytes(b"weights")),)
    return Manifest(action_key(action), action, files, provenance(1.0))


def test_a_full_disk_near_is_told_and_leaves_no_half_artifact(far, tmp_path):
    put(far, 1, 600_000)
    with small_disk(tmp_path / "near") as disk:
        near = open_store(str(disk))
        with pytest.raises(StoreError, match="No space left"):
            layered(near, far).lookup(key_of(1))
        assert near.lookup(key_of(1)) is None
        assert list((disk / "tmp").iterdir()) == []
    assert far.lookup(key_of(1)) is not None


def test_a_read_only_near_store_is_told(far, tmp_path):
    put(far, 1)
    with small_disk(tmp_path / "near") as disk:
        make_read_only(disk)
        with pytest.raises(StoreError, match="Read-only"):
            layered(open_store(str(disk)), far).lookup(key_of(1))


def test_a_newer_versions_record_far_is_left_alone(near, far, both):
    newer = make_newer(far, 1)
    assert both.lookup(key_of(1)) is None
    put(both, 1)
    (line,) = both.close()
    assert "newer version" in line
    assert far.objects.read(action_name(key_of(1))) == newer


@pytest.fixture
def builder(tmp_path):
    """The trust of whoever signs, and trusts only that."""
    public = make_key(tmp_path / "builder")
    return Trust((public,), open_signer(tmp_path / "builder"), public)


def test_without_trusted_keys_no_far_record_of_many_is_read_to_know_it(near, far, monkeypatch):
    put(far, 1)
    monkeypatch.setattr(far.objects, "look", None)
    assert layered(near, far).known([key_of(number) for number in range(1, FEW + 2)]) == {key_of(1): None}


@pytest.mark.parametrize("count", [1, FEW + 5])
def test_a_plan_and_a_build_say_the_same_of_what_nobody_trusted_signed(far, builder, count):
    keys = [key_of(number) for number in range(1, count + 1)]
    for number in range(1, count + 1):
        put(far, number)
    trusting = CasStore(far.objects, trust=builder)
    put(trusting, count + 1)
    both = layered(CasStore(MemoryObjects(), trust=builder), trusting)
    known = both.known([*keys, key_of(count + 1)])
    assert known == {**dict.fromkeys(keys, UNTRUSTED), key_of(count + 1): None}
    assert both.prefetch([*keys, key_of(count + 1)]) == set(keys)
    assert all(both.lookup(key) is None for key in keys)


def test_what_only_this_machine_would_use_isnt_sent(far, builder, tmp_path):
    public = make_key(tmp_path / "hidden")
    own = Trust((*builder.keys, public), open_signer(tmp_path / "hidden"), public, hidden=True)
    both = layered(CasStore(MemoryObjects(), trust=own), CasStore(far.objects, trust=own, shared=True))
    manifest = put(both, 1)
    both.record_snapshot(Snapshot("my/model", None, {}))
    (line,) = both.close()
    assert "nobody else trusts" in line
    assert "signing_key" in line
    assert both.lookup(key_of(1)) == manifest
    assert far.lookup(key_of(1)) is None
    assert public.encode() not in far.objects.read(snapshot_name(Snapshot("my/model", None, {}).digest.sha256))


def test_what_a_trusted_builder_signed_is_passed_on_by_any_machine(far, builder, tmp_path):
    public = make_key(tmp_path / "hidden")
    own = Trust((*builder.keys, public), open_signer(tmp_path / "hidden"), public, hidden=True)
    near = CasStore(MemoryObjects(), trust=own)
    put(CasStore(near.objects, trust=builder), 1)
    both = layered(near, CasStore(far.objects, trust=own, shared=True))
    both.prefetch([key_of(1)])
    assert both.close() == ["1 shared with memory:far (85 bytes)"]


def test_what_others_signed_stays_far_and_makes_room_near(far, builder, tmp_path):
    make_key(tmp_path / "other")
    other = Trust((), open_signer(tmp_path / "other"))
    near = CasStore(MemoryObjects(), trust=builder)
    for store in (far, near):
        put(CasStore(store.objects, trust=other), 1, 600)
    theirs = far.objects.read(action_name(key_of(1)))
    both = layered(near, CasStore(far.objects, trust=builder, shared=True))
    mine = put(both, 1)
    (line,) = both.close()
    assert "isn't trusted here: it stays" in line
    assert far.objects.read(action_name(key_of(1))) == theirs
    assert both.lookup(key_of(1)) == mine
    assert near.objects.read(quarantine_name(action_name(key_of(1)))) == theirs


def test_what_is_whole_near_needs_no_far_store_however_strict(near):
    far = far_memory()
    store = LayeredStore(near, [RemoteStore(far, strict=True)], SharingPolicy(), 1.0)
    put(near, 1)
    break_down(far, lambda: StoreError(far.location, "there is no such bucket"))
    assert store.known([key_of(1)]) == {key_of(1): None}
    assert store.prefetch([key_of(1)]) == set()
    assert store.lookup(key_of(1)) is not None
    with pytest.raises(StoreError, match="no such bucket"):
        store.known([key_of(1), key_of(2)])
