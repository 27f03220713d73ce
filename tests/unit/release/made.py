"""A release from artifacts that are made up: a request, its store, and the folder. Nothing is compiled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from neuronbuild.artifact.manifest import FileEntry
from neuronbuild.artifact.signature import Signature
from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.release.request import ReleaseRequest
from neuronbuild.store.cas import CasStore
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.trust import Trust, make_key, open_signer
from tests.unit.release.manifests import traced

CODE = b"traced graph"
CONFIG = {"model_type": "bert", "vocab_size": 99}
SMALL = {"config.json": json.dumps(CONFIG).encode(), "vocab.txt": b"words"}


def trust_of(folder: Path, name: str = "builder") -> Trust:
    """The trust of whoever signs with a new key, and trusts that."""
    public = make_key(folder / name)
    return Trust((public,), open_signer(folder / name), public)


def made_request(
    folder: Path, trust: Trust, objects: MemoryObjects | None = None, lengths: tuple[int, ...] = (16,)
) -> tuple[ReleaseRequest, CasStore]:
    """A release to be, of graphs with their weights inside, and a store that has them, signed as the trust says."""
    store = CasStore(objects or MemoryObjects(), trust=trust)
    digest = store.add_bytes(CODE)
    weights = digest_bytes(b"weights")
    keys = []
    for length in lengths:
        shape = {"batch_size": 1, "sequence_length": length}
        manifest = traced(weights={"model.safetensors": weights.sha256}, shape=shape)
        manifest = replace(manifest, files=(FileEntry("model.neuron", digest),), signature=Signature((), (), ()))
        store.record(manifest)
        keys.append(manifest.key)
    source = folder / "model"
    source.mkdir(exist_ok=True)
    for name, data in SMALL.items():
        (source / name).write_bytes(data)
    files = {name: digest_bytes(data) for name, data in SMALL.items()} | {"model.safetensors": weights}
    model = Model(Snapshot("my/model", "c1", files), CONFIG, lambda name: source / name)
    toolchain = {"name": "neuronx", "platform": "inf2", "versions": {}, "flags": {}}
    request = ReleaseRequest(
        "one", "one", "inf2", "fill-mask", model, tuple(keys), folder / "one-inf2", toolchain, checked=False
    )
    return request, store
