"""Folders of sentence-transformers models with all kinds of settings, and releases of them over exported graphs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch

from neuronbuild.api.subjects import subject_of
from neuronbuild.artifact.shape import Shape
from neuronbuild.build.model_files import link_model
from neuronbuild.models.sentences import NeuronSentenceTransformers
from neuronbuild.plan.action import ActionMaker
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import FolderSource
from neuronbuild.worker import graph_classes, padding, weights
from tests.conftest import make_model
from tests.tools.action_keys import CPU
from tests.tools.exported import ExportedSessions, export_graph, release_index
from tests.unit.plan.cases import OPTIONS, compile_options

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
    _alter_weights(folder, lambda _, tensor: tensor * scale if tensor.dim() > 1 else tensor)


def fill_padding(folder: Path) -> None:
    """Give the padding token the embedding of another, as training may: initial ones are zeros, which are no padding at all."""
    _alter_weights(
        folder, lambda name, tensor: torch.cat([tensor[7:8], tensor[1:]]) if name.endswith("word_embeddings.weight") else tensor
    )


def _alter_weights(folder: Path, alter: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {name: alter(name, tensor) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


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
    buckets, sessions, seen = [], [], []
    for sizes in shapes:
        action = ActionMaker(subject, compile_options(AS_IS, CPU["fingerprint"])).make("forward", Shape.of(sizes))
        loaded, _ = weights.load(str(place), action.document, torch.float32)
        module = graph_classes.open_graph(loaded, action.document)
        session, bucket = export_graph(module, action, TASK, "forward", sizes)
        buckets.append(bucket)
        sessions.append(session)
        seen += padding.measure(module)
    index = release_index(TASK, model.snapshot.files, seen)
    sound = {"refuse_altered": lambda: None}
    made = NeuronSentenceTransformers(SimpleNamespace(folder=place, index=index, buckets=tuple(buckets), **sound))
    made._runner._sessions = ExportedSessions(sessions)
    return made
