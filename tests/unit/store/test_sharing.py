from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.action import CheckAction, action_key
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes, digest_json
from neuronbuild.store.cas import CasStore
from neuronbuild.store.names import snapshot_name
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.provenance import provenance
from neuronbuild.store.sharing import SharingPolicy, carried_weights
from neuronbuild.store.trust import Trust, make_key, open_signer
from tests.unit.artifact.actions import compile_action

WEIGHTS = digest_bytes(b"weights")
FILES = {"config.json": digest_bytes(b"{}"), "model.safetensors": WEIGHTS}


def artifact(weights: object, *names: str, kind: str = "compile") -> Manifest:
    action = compile_action(weights=weights) if kind == "compile" else CheckAction("0" * 64, {}, weights)
    files = tuple(FileEntry(name, digest_bytes(b"")) for name in names)
    return Manifest(action_key(action), action, files, provenance(1.0))


INLINE = artifact({"model.safetensors": WEIGHTS.sha256}, "model.neff")


def test_code_compiled_with_weights_apart_carries_none():
    assert carried_weights(artifact("separate", "model.pt2")) == frozenset()
    assert SharingPolicy().objection(artifact("separate", "model.pt2")) is None


def test_a_check_has_no_files_and_so_no_weights():
    assert carried_weights(artifact({"model.safetensors": WEIGHTS.sha256}, kind="check")) == frozenset()


def test_compiled_in_weights_are_carried():
    assert carried_weights(INLINE) == {WEIGHTS.sha256}


@pytest.mark.parametrize(
    ("licence", "gated", "words"),
    [("mit", False, None), (None, False, "states no licence"), ("mit", True, "is gated"), (None, True, "is gated")],
)
def test_weights_are_shared_by_licence(licence, gated, words):
    sharing = SharingPolicy()
    sharing.learn(Snapshot("org/model", "c1", FILES, licence, gated))
    objection = sharing.objection(INLINE)
    assert (objection is None) if words is None else (words in objection and "share_weights: [org/model]" in objection)


def test_leave_is_given_by_name():
    sharing = SharingPolicy(["org/model"])
    sharing.learn(Snapshot("org/model", "c1", FILES, None, gated=True))
    assert sharing.objection(INLINE) is None


def test_weights_of_nobody_knows_what_stay_here():
    assert "isn't known" in SharingPolicy().objection(INLINE)


def test_what_a_free_model_holds_too_is_free():
    sharing = SharingPolicy()
    sharing.learn(Snapshot("org/closed", "c1", FILES))
    sharing.learn(Snapshot("org/free", "c1", FILES, "apache-2.0"))
    assert sharing.objection(INLINE) is None


@pytest.fixture
def builder(tmp_path):
    """The trust of whoever builds and signs, and of nobody else."""
    public = make_key(tmp_path / "builder")
    return Trust((public,), open_signer(tmp_path / "builder"), public)


def heard(store: CasStore, *allowed: str) -> str | None:
    sharing = SharingPolicy(allowed)
    sharing.hear(store)
    return sharing.objection(INLINE)


def test_a_snapshot_that_nobody_signed_frees_nothing_whatever_it_says(builder):
    forged = Snapshot("org/model", "c1", FILES, "mit")
    for trust in (Trust(), builder):
        store = CasStore(MemoryObjects(), trust=trust)
        CasStore(store.objects).record_snapshot(forged)
        assert "no trusted builder signed" in heard(store)
        assert "no trusted builder signed" in heard(store, "org/model")


def test_a_snapshot_that_a_trusted_builder_signed_counts(builder, tmp_path):
    store = CasStore(MemoryObjects(), trust=builder)
    store.record_snapshot(Snapshot("org/model", "c1", FILES, "mit"))
    assert heard(store) is None
    assert heard(CasStore(store.objects, trust=replace(builder, keys=()))) is None  # one's own word
    assert "no trusted builder signed" in heard(CasStore(store.objects))
    assert "no trusted builder signed" in heard(CasStore(store.objects, trust=Trust((make_key(tmp_path / "another"),))))


def test_a_signature_doesnt_cover_another_licence(builder):
    store = CasStore(MemoryObjects(), trust=builder)
    closed = Snapshot("org/model", "c1", FILES)
    store.record_snapshot(closed)
    name = snapshot_name(closed.digest.sha256)
    store.objects.write(name, json.dumps({**json.loads(store.objects.read(name)), "license": "mit"}).encode())
    assert "no trusted builder signed" in heard(store)


def test_a_signature_of_a_manifest_is_none_of_a_snapshot(builder):
    store = CasStore(MemoryObjects(), trust=builder)
    plain = Snapshot("org/model", "c1", FILES, "mit").as_json()
    seal = digest_json(plain).sha256
    signed = {**plain, "seal": seal, "signatures": [builder.signer(seal, "manifest")]}
    store.objects.write(snapshot_name("0" * 64), json.dumps(signed).encode())
    assert "no trusted builder signed" in heard(store)


def test_an_own_record_goes_over_what_was_only_heard(builder):
    store = CasStore(MemoryObjects(), trust=builder)
    CasStore(store.objects).record_snapshot(Snapshot("org/model", "c1", FILES, "mit"))
    store.record_snapshot(Snapshot("org/model", "c1", FILES))
    assert "states no licence" in heard(store)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"files": []}', b'{"model": "m", "files": {"a": 1}}', b"[" * 5000])
def test_damaged_snapshots_are_passed_over(data):
    store = CasStore(MemoryObjects())
    store.objects.write(snapshot_name("0" * 64), data)
    assert "isn't known" in heard(store)


def test_what_this_machine_saw_is_remembered_and_taken_back_by_what_it_sees_later(tmp_path):
    memory = tmp_path / "licences.json"
    SharingPolicy(memory=memory).learn(Snapshot("org/model", "c1", FILES, "mit"))
    assert SharingPolicy(memory=memory).objection(INLINE) is None
    SharingPolicy(memory=memory).learn(Snapshot("org/model", "c1", FILES))  # without the Hub, which wasn't asked
    assert SharingPolicy(memory=memory).objection(INLINE) is None
    SharingPolicy(memory=memory).learn(Snapshot("org/model", "c1", FILES, "mit", gated=True))
    assert "is gated" in SharingPolicy(memory=memory).objection(INLINE)


def test_a_model_that_turns_out_gated_is_bound_at_once(tmp_path):
    sharing = SharingPolicy(memory=tmp_path / "licences.json")
    sharing.learn(Snapshot("org/model", "c1", FILES, "mit"))
    sharing.learn(Snapshot("org/model", "c1", FILES, "mit", gated=True))
    assert "is gated" in sharing.objection(INLINE)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": []}', '{"a": ["m", 1, false, "d"]}', '{"a": ["m", "mit", 0, 7]}']
)
def test_a_damaged_memory_frees_nothing(tmp_path, text):
    (tmp_path / "licences.json").write_text(text)
    assert "isn't known" in SharingPolicy(memory=tmp_path / "licences.json").objection(INLINE)
