"""Graphs of tiny models as torch exports them, behind the runtime: all that a release does, but for the compiler's part."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers

from neuronbuild.artifact.manifest import Check
from neuronbuild.artifact.shape import Shape
from neuronbuild.build.builder import _signature
from neuronbuild.models import MODEL_CLASSES
from neuronbuild.runtime.reader import CompiledShape
from neuronbuild.runtime.session import Session
from neuronbuild.tasks import TASKS
from neuronbuild.worker import aot, graph_classes, padding
from tests.tools.action_keys import CPU
from tests.unit.plan.cases import make_action


class Exported(Session):
    """A session over an exported program."""

    def __init__(self, module, example) -> None:
        own = copy.deepcopy(module)  # as a compiled graph has its own buffers: eager PyTorch writes into the model's
        self._program = aot.export(own, example).module()

    def run(self, inputs):
        """Call it."""
        with torch.no_grad():
            return list(self._program(*inputs))

    def sync_states(self, states):
        """It has updated the tensors themselves."""


@dataclass
class ExportedSessions:
    """Sessions by the index of their bucket."""

    sessions: list[Exported]

    def get(self, index: int) -> Exported:
        """One of them."""
        return self.sessions[index]


def export_graphs(model, task: str, shapes: list[tuple[str, dict[str, int]]]):
    """Sessions and buckets of a model for graphs of some shapes."""
    sessions, buckets = [], []
    for name, sizes in shapes:
        made = make_action(config=model.config.to_dict(), task=task, graph=name, sizes=sizes, auto_cast="none", **CPU)
        module = graph_classes.open_graph(model, made.document)
        session, bucket = export_graph(module, made, task, name, sizes)
        buckets.append(bucket)
        sessions.append(session)
    return ExportedSessions(sessions), buckets


def export_graph(module, made, task: str, name: str, sizes: dict[str, int]):
    """A session and a bucket of one graph."""
    example = module.example(0)
    with torch.no_grad():
        outputs = module(*[tensor.clone() for tensor in example])
    states = zip(module.states, example[len(module.input_names) :], strict=True)
    said = {
        "inputs": made.document["inputs"],
        "outputs": [spec(*pair) for pair in zip(module.output_names, outputs, strict=True)],
        "states": [spec(*pair) for pair in states],
        "constants": [],
    }
    shape = Shape.of(sizes, TASKS[task].graph(name).axes)
    step = SimpleNamespace(action=made, target=SimpleNamespace(task=task, graph=name, shape=shape))
    config = made.document["model"]["config"]
    return Exported(module, example), CompiledShape(name, shape, Path(), Path(), _signature(said, step), config, {})


def open_exported(model_class, model, task: str, shapes: list[tuple[str, dict[str, int]]], folder: Path):
    """A generating model of ours over such graphs, with the files of the eager one."""
    model.save_pretrained(folder)
    sessions, buckets = export_graphs(model, task, shapes)
    index = SimpleNamespace(bindings={})
    made = model_class(SimpleNamespace(folder=folder, buckets=tuple(buckets), index=index, refuse_altered=lambda: None))
    made.sessions = sessions
    return made


def open_forward(folder: Path, task: str, auto_class: str, shapes: list[dict[str, int]], *, split: bool = False):
    """A model of ours of one graph over a folder of transformers; whether padding matters is measured as a build does."""
    model = getattr(transformers, auto_class).from_pretrained(folder).eval()
    sessions, buckets, seen = [], [], []
    for sizes in shapes:
        made = make_action(config=model.config.to_dict(), task=task, graph="forward", sizes=sizes, auto_cast="none", **CPU)
        module = graph_classes.open_graph(model, made.document)
        session, bucket = export_graph(module, made, task, "forward", sizes)
        sessions.append(session)
        buckets.append(bucket)
        seen += padding.measure(module)
    index = release_index(task, (file.name for file in folder.iterdir()), seen, split=split)
    opened = MODEL_CLASSES[task](
        SimpleNamespace(folder=folder, index=index, buckets=tuple(buckets), refuse_altered=lambda: None)
    )
    opened._runner._sessions = ExportedSessions(sessions)
    return opened


def release_index(task: str, files, seen: list[dict], *, split: bool = False) -> SimpleNamespace:
    """What a release of one graph says of itself, `seen` being the records of what its builds measured of padding."""
    return SimpleNamespace(
        files=[SimpleNamespace(path=path) for path in files],
        bindings={},
        dynamic_batch_size=split,
        padding_matters=any(Check(**record).is_exceeded for record in seen),
        omitted_outputs=(),
        task=task,
        platform="cpu",
    )


def spec(name: str, tensor: torch.Tensor) -> dict[str, object]:
    """What a worker says of a tensor."""
    return {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
