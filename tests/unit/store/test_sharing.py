from __future__ import annotations

import pytest

from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import ActionKey, digest_bytes, digest_json
from neuronbuild.store.provenance import provenance
from neuronbuild.store.sharing import Sharing, carried_weights

WEIGHTS = digest_bytes(b"weights")
FILES = {"config.json": digest_bytes(b"{}"), "model.safetensors": WEIGHTS}


def artifact(weights: object, *names: str) -> Manifest:
    action: dict[str, object] = {"kind": "compile", "weights": weights}
    files = tuple(FileEntry(name, digest_bytes(b"")) for name in names)
    return Manifest(ActionKey(digest_json(action).sha256), action, files, provenance(1.0))


INLINE = artifact({"model.safetensors": WEIGHTS.sha256}, "model.neff")


def test_code_compiled_with_weights_apart_carries_none():
    assert carried_weights(artifact("separate", "model.pt2")) == frozenset()
    assert Sharing().objection(artifact("separate", "model.pt2")) is None


def test_a_check_has_no_files_and_so_no_weights():
    assert carried_weights(artifact({"model.safetensors": WEIGHTS.sha256})) == frozenset()


def test_compiled_in_weights_are_carried():
    assert carried_weights(INLINE) == {WEIGHTS.sha256}


@pytest.mark.parametrize(
    ("licence", "gated", "words"),
    [("mit", False, None), (None, False, "states no licence"), ("mit", True, "is gated"), (None, True, "is gated")],
)
def test_weights_are_shared_by_licence(licence, gated, words):
    sharing = Sharing()
    sharing.learn(Snapshot("org/model", "c1", FILES, licence, gated))
    objection = sharing.objection(INLINE)
    assert (objection is None) if words is None else (words in objection and "share_weights: [org/model]" in objection)


def test_leave_is_given_by_name():
    sharing = Sharing(["org/model"])
    sharing.learn(Snapshot("org/model", "c1", FILES, None, gated=True))
    assert sharing.objection(INLINE) is None


def test_weights_of_nobody_knows_what_stay_here():
    assert "isn't known" in Sharing().objection(INLINE)


def test_what_a_free_model_holds_too_is_free():
    sharing = Sharing()
    sharing.learn(Snapshot("org/closed", "c1", FILES))
    sharing.learn(Snapshot("org/free", "c1", FILES, "apache-2.0"))
    assert sharing.objection(INLINE) is None


def test_snapshots_of_a_store_count_and_damaged_ones_dont():
    stored = Snapshot("org/model", "c1", FILES, "mit").as_json()
    assert Sharing((), [{}, {"files": []}, {"files": {"a": 1}}, stored]).objection(INLINE) is None
