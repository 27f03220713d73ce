"""What both Neuron frameworks share: the module that is traced, its signature, and the file."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform

import torch

from . import graph, graphs, weights


def open_module(job: dict, *, apart: bool) -> tuple:
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
    return graphs.open_graph(model, action), omitted


@contextlib.contextmanager
def standing_in(folder: str):
    """Make a folder the current one for a while."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def signature(action: dict, module: graph.Graph, inputs: tuple, outputs: tuple, *, apart: bool) -> dict:
    """Tensors that go in, come out, and are bound."""
    states = zip(module.states, inputs[len(action["inputs"]) :])
    return {
        "inputs": [{key: entry[key] for key in ("name", "dtype", "shape")} for entry in action["inputs"]],
        "outputs": [spec(name, tensor) for name, tensor in zip(module.output_names, outputs)],
        "constants": _constants(module) if apart else [],
        "states": [spec(name, tensor) for name, tensor in states],
    }


def spec(name: str, tensor: torch.Tensor) -> dict:
    """Name, dtype and shape."""
    return {"name": name, "dtype": str(tensor.dtype).rpartition(".")[2], "shape": list(tensor.shape)}


def _constants(module: graph.Graph) -> list:
    """Every entry of the module's state, with the model's other names for the same tensor."""
    state = module.state_dict()
    same = {}
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
    torch.jit.save(made, os.path.join(place, name))
    with open(os.path.join(place, name), "rb+") as file:
        os.fsync(file.fileno())
    os.replace(os.path.join(place, name), os.path.join(folder, name))


def versions(packages: tuple) -> dict:
    """What it was made with in full, builds included; the key may hold less of it."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
