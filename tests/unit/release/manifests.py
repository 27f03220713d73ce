"""Manifests of what Neuron toolchains make, without a compile."""

from __future__ import annotations

from neuronbuild.artifact.manifest import FileEntry, Manifest, Provenance
from neuronbuild.digest import ActionKey, digest_bytes, digest_json

VERSIONS = {"neuronx-cc": "2.26.6360.0", "torch": "2.9.0"}


TEXT = ("input_ids", "attention_mask", "token_type_ids")


def traced(
    *,
    graph="forward",
    weights=None,
    shape=None,
    toolchain="neuronx",
    files=("model.neuron",),
    arguments=(),
    model_type="bert",
    inputs=TEXT,
    **facts,
):
    """A manifest of one traced graph; `weights` are "separate" or digests by file."""
    action: dict[str, object] = {
        "kind": "compile",
        "task": "fill-mask",
        "inputs": [{"name": name} for name in inputs],
        "graph": graph,
        "dtype": "float32",
        "shape": shape or {"batch_size": 1, "sequence_length": 16},
        "weights": {"model.safetensors": "1" * 64} if weights is None else weights,
        "model": {"config": {"model_type": model_type}},
        "compiler": {"arguments": list(arguments), "dynamic_batch_size": False},
        "toolchain": {"name": toolchain, "platform": "inf2", "versions": VERSIONS, "flags": {}},
    }
    entries = tuple(FileEntry(name, digest_bytes(name.encode())) for name in files)
    made = Provenance("neuronbuild", "2026-01-01T00:00:00+00:00", 1.0)
    return Manifest(ActionKey(digest_json(action).sha256), action, entries, made, facts=dict(facts))
