"""Manifests of what Neuron toolchains make, without a compile."""

from __future__ import annotations

from neuronbuild.artifact.action import CompilerPart, InputPart, ModelPart, action_key
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.manifest import FileEntry, Manifest, Provenance
from neuronbuild.digest import digest_bytes
from tests.unit.artifact.actions import compile_action

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
    sentence_modules=None,
    **facts,
):
    """A manifest of one traced graph; `weights` are "separate" or digests by file."""
    action = compile_action(
        model=ModelPart("AutoModelForMaskedLM", {"model_type": model_type}, sentence_modules=sentence_modules),
        graph=graph,
        shape=shape or {"batch_size": 1, "sequence_length": 16},
        inputs=tuple(InputPart(name, "int64", (1, 16)) for name in inputs),
        weights={"model.safetensors": "1" * 64} if weights is None else weights,
        compiler=CompilerPart(arguments=tuple(arguments), dynamic_batch_size=False),
        toolchain=Fingerprint(toolchain, "inf2", VERSIONS),
    )
    entries = tuple(FileEntry(name, digest_bytes(name.encode())) for name in files)
    made = Provenance("neuronbuild", "2026-01-01T00:00:00+00:00", 1.0)
    return Manifest(action_key(action), action, entries, made, facts=dict(facts))
