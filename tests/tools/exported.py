"""Graphs of tiny models as torch exports them, behind the runtime: all that a release does, but for the compiler's part."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch

from neuronbuild.artifact.shape import Shape
from neuronbuild.build.builder import _signature
from neuronbuild.runtime.reader import CompiledShape
from neuronbuild.runtime.session import Session
from neuronbuild.tasks import TASKS
from neuronbuild.worker import aot, graphs
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

    def fetch(self, states):
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
        graph = TASKS[task].graph(name)
        made = make_action(config=model.config.to_dict(), task=task, graph=name, sizes=sizes, auto_cast="none", **CPU)
        action = made.document
        module = graphs.open_graph(model, action)
        example = module.example(0)
        with torch.no_grad():
            outputs = module(*[tensor.clone() for tensor in example])
        states = zip(module.states, example[len(module.input_names) :], strict=True)
        said = {
            "inputs": action["inputs"],
            "outputs": [spec(*pair) for pair in zip(module.output_names, outputs, strict=True)],
            "states": [spec(*pair) for pair in states],
            "constants": [],
        }
        shape = Shape.of(sizes, graph.axes)
        step = SimpleNamespace(action=made, target=SimpleNamespace(task=task, graph=name, shape=shape))
        signature = _signature(said, step)
        buckets.append(CompiledShape(name, shape, Path(), Path(), signature, {}, {}))
        sessions.append(Exported(module, example))
    return ExportedSessions(sessions), buckets


def open_exported(model_class, model, task: str, shapes: list[tuple[str, dict[str, int]]], folder: Path):
    """A generating model of ours over such graphs, with the files of the eager one."""
    model.save_pretrained(folder)
    sessions, buckets = export_graphs(model, task, shapes)
    index, sound = SimpleNamespace(bindings={}), {"refuse_altered": lambda: None}
    made = model_class(SimpleNamespace(folder=folder, buckets=tuple(buckets), index=index, **sound))
    made.sessions = sessions
    return made


def spec(name: str, tensor: torch.Tensor) -> dict[str, object]:
    """What a worker says of a tensor."""
    return {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
