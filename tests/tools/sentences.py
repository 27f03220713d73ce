"""Folders of sentence-transformers models with all kinds of settings, and releases of them over exported graphs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch

from neuronbuild.api.subjects import subject_of
from neuronbuild.artifact.shape import Shape
from neuronbuild.build.builder import _signature
from neuronbuild.build.model_files import link_model
from neuronbuild.models.sentences import NeuronSentenceTransformers
from neuronbuild.plan.action import ActionMaker
from neuronbuild.runtime.reader import CompiledShape
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import FolderSource
from neuronbuild.tasks import TASKS
from neuronbuild.worker import graphs, weights
from tests.conftest import make_model
from tests.tools.action_keys import CPU
from tests.tools.exported import Exported, ExportedSessions, spec
from tests.unit.plan.cases import OPTIONS, way

TASK = "sentence-similarity"
AS_IS = replace(OPTIONS, auto_cast="none", auto_cast_type=None, extra_args=(), platform="cpu")
POOLING = {"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": True}


def write_folder(folder: Path, *, model: dict | None = None, scale: float = 6, **files: object) -> Path:
    """A tiny model with modules: `files` are settings by the name of their file, `modules` their kinds."""
    make_model(folder, "AutoModel", **(model or {}))
    widen(folder, scale)
    write_settings(folder, **files)
    return folder


def widen(folder: Path, scale: float) -> None:
    """Multiply the weights: initial ones are so small that every text says almost the same."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor * scale if tensor.dim() > 1 else tensor for name, tensor in tensors.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def write_settings(
    folder: Path,
    modules: tuple[str, ...] = ("Transformer", "Pooling", "Normalize"),
    pooling: dict | None = None,
    reader: dict | None = None,
    uses: dict | None = None,
    tokenizer: dict | None = None,
    first: str = "",
    reader_file: str = "sentence_bert_config.json",
    configs: dict | None = None,
) -> None:
    """Files of sentence-transformers over a folder of transformers."""
    if tokenizer:
        file = folder / "tokenizer_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **tokenizer}))
    if reader is not None:
        (folder / reader_file).write_text(json.dumps(reader))
    if first:
        (folder / first).mkdir()
        for file in [each for each in folder.iterdir() if each.is_file()]:
            file.rename(folder / first / file.name)
    if uses is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(uses))
    paths = [f"{place}_{kind}" if place else first for place, kind in enumerate(modules)]
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for place, (kind, path) in enumerate(zip(modules, paths, strict=True))
            ]
        )
    )
    stated = {"Pooling": {**POOLING, **(pooling or {})}, **(configs or {})}
    for kind, path in zip(modules[1:], paths[1:], strict=True):
        (folder / path).mkdir()
        if kind in stated:
            (folder / path / "config.json").write_text(json.dumps(stated[kind]))


def open_release(folder: Path, place: Path, shapes: list[dict[str, int]]) -> NeuronSentenceTransformers:
    """A release of a folder: planned, its weights loaded and its graphs exported as a build does it, but for the compiler."""
    model = FolderSource(folder.parent, DigestMemory(None)).resolve(str(folder), None)
    subject = subject_of(model, TASK)
    link_model(model, place)
    buckets, sessions = [], []
    for sizes in shapes:
        action = ActionMaker(subject, way(AS_IS, CPU["fingerprint"])).make("forward", Shape.of(sizes))
        loaded, _ = weights.load(str(place), action.document, torch.float32)
        module = graphs.open_graph(loaded, action.document)
        example = module.example(0)
        with torch.no_grad():
            outputs = module(*example)
        said = {
            "inputs": action.document["inputs"],
            "outputs": [spec(*pair) for pair in zip(module.output_names, outputs, strict=True)],
            "constants": [],
        }
        shape = Shape.of(sizes, TASKS[TASK].graphs[0].axes)
        step = SimpleNamespace(action=action, target=SimpleNamespace(task=TASK, graph="forward", shape=shape))
        buckets.append(CompiledShape("forward", shape, Path(), Path(), _signature(said, step), {}, {}))
        sessions.append(Exported(module, example))
    index = SimpleNamespace(
        files=[SimpleNamespace(path=path) for path in model.snapshot.files],
        bindings={},
        dynamic_batch_size=False,
        padding_matters=False,
        omitted_outputs=(),
        task=TASK,
    )
    sound = {"refuse_altered": lambda: None}
    made = NeuronSentenceTransformers(SimpleNamespace(folder=place, index=index, buckets=tuple(buckets), **sound))
    made._runner._sessions = ExportedSessions(sessions)
    return made
