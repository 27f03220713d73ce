"""What both Neuron frameworks share: the module that is traced, its signature, and the file."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator

import torch

from . import graph, graph_classes, weights
from .contract import Action, CompileJob, ConstantSpec, Signature, TensorSpec
from .errors import JobError
from .toolchain import Tensors


def open_module(job: CompileJob, *, apart: bool) -> tuple[graph.Graph, list[str]]:
    """The module, and those of its outputs that the checkpoint has no weights for.

    Weights that lie apart are zeros here: the compiled file holds them, and must never be taken for a model that has some.
    """
    action = job["action"]
    dtype = graph.weight_dtype(action)
    if apart:
        model, omitted = graph.make_model(action, dtype), []
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.zero_()
    else:
        model, missing = weights.load(job["model"], action, dtype)
        omitted = weights.omitted_outputs(missing)
    return graph_classes.open_graph(model, action), omitted


@contextlib.contextmanager
def standing_in(folder: str) -> Iterator[None]:
    """Make a folder the current one for a while."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Stateful(torch.nn.Module):
    """A graph whose cache is its own parameters: they are updated on the device, and never leave it."""

    def __init__(self, module: graph.Graph, states: Tensors) -> None:
        super().__init__()
        self.module = module
        self.states = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros_like(t), requires_grad=False) for t in states])

    @classmethod
    def around(cls, module: graph.Graph, inputs: Tensors) -> graph.Graph | Stateful:
        """The module itself where it has no cache."""
        states = inputs[len(module.input_names) :]
        return cls(module, states) if states else module

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Outputs, then the states as they are afterwards."""
        held = [state.clone() for state in self.states]
        return (*self.module(*inputs, *held), *held)


class Nested(torch.nn.Module):
    """A graph some of whose outputs are tuples: as other loaders read them, by names that are joined by dots."""

    def __init__(self, module: graph.Graph) -> None:
        super().__init__()
        self.module = module

    @classmethod
    def around(cls, module: torch.nn.Module) -> torch.nn.Module:
        """The module itself where no output is part of another."""
        return cls(module) if any("." in name for name in getattr(module, "wanted", ())) else module

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor | tuple[torch.Tensor, ...], ...]:
        """Outputs in their order, those of one part together."""
        named = zip(self.module.output_names, self.module(*inputs))
        groups = itertools.groupby(named, key=lambda pair: pair[0].rpartition(".")[0] or pair[0])
        found = [(name, [tensor for _, tensor in group]) for name, group in groups]
        return tuple(tensors[0] if name in self.module.output_names else tuple(tensors) for name, tensors in found)


def aliases(module: torch.nn.Module) -> dict[torch.nn.Parameter, int]:
    """Which output each state is updated by: what `input_output_aliases` takes."""
    if not isinstance(module, Stateful):
        return {}
    first = len(module.module.output_names)
    return {state: first + index for index, state in enumerate(module.states)}


def call(loaded: torch.jit.ScriptModule, inputs: Tensors) -> tuple[torch.Tensor, ...]:
    """Run a loaded graph on inputs and the tensors of a cache, which are updated in place."""
    states = list(loaded.parameters()) if hasattr(loaded, "parameters") else []
    given = inputs[: len(inputs) - len(states)]
    for state, tensor in zip(states, inputs[len(given) :]):
        state.copy_(tensor)
    outputs = loaded(*given)
    for state, tensor in zip(states, inputs[len(given) :]):
        tensor.copy_(state)
    return flat(outputs)


def flat(outputs: object) -> tuple[torch.Tensor, ...]:
    """The tensors of outputs, those of tuples within them in their places."""
    if not isinstance(outputs, (tuple, list)):
        return (outputs,)
    return tuple(tensor for each in outputs for tensor in flat(each))


def signature(action: Action, module: graph.Graph, inputs: Tensors, outputs: Tensors, *, apart: bool) -> Signature:
    """Tensors that go in, come out, and are bound."""
    states = zip(module.states, inputs[len(action["inputs"]) :])
    return {
        "inputs": [{"name": entry["name"], "dtype": entry["dtype"], "shape": entry["shape"]} for entry in action["inputs"]],
        "outputs": [spec(name, tensor) for name, tensor in zip(module.output_names, outputs)],
        "constants": _constants(module) if apart else [],
        "states": [spec(name, tensor) for name, tensor in states],
    }


def spec(name: str, tensor: torch.Tensor) -> TensorSpec:
    """Name, dtype and shape."""
    return {"name": name, "dtype": str(tensor.dtype).rpartition(".")[2], "shape": list(tensor.shape)}


def _constants(module: graph.Graph) -> list[ConstantSpec]:
    """Every entry of the module's state, with the model's other names for the same tensor."""
    state = module.state_dict()
    same: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, tensor in state.items():
        same.setdefault((tensor.data_ptr(), tuple(tensor.shape)), []).append(name.partition(".")[2])
    return [
        {
            **spec(name, tensor),
            "stride": list(tensor.contiguous().stride()),
            "tied": same[tensor.data_ptr(), tuple(tensor.shape)],
            "in_artifact": False,
        }
        for name, tensor in state.items()
    ]


def save(made: torch.jit.ScriptModule, folder: str, name: str) -> None:
    """Write the file whole, under another folder and then its name: the archive's own root is named after the file."""
    place = os.path.join(folder, "saving")
    os.makedirs(place)
    try:
        torch.jit.save(made, os.path.join(place, name))
    except RuntimeError as error:
        if "No space left" in str(error):  # torch's writer has no class for it
            raise JobError("system", f"{name} could not be written: no space left on device") from error
        raise
    with open(os.path.join(place, name), "rb+") as file:
        os.fsync(file.fileno())
    os.replace(os.path.join(place, name), os.path.join(folder, name))
