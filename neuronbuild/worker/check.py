"""The check of a release: the compiled graph with the real weights, against eager PyTorch with the same."""

from __future__ import annotations

import safetensors
import torch

from . import graph, inductor, numeric, package, weights

_LOADED = {}
"""The last eager model, by what it was loaded from: the buckets of one release come one after the other."""


def check_release(job: dict) -> dict:
    """Run one bucket and compare."""
    action = job["action"]
    inputs = graph.example_inputs(action, seed=3)
    module = graph.Graph(_eager(job["model"], job["identity"], action), action)
    constants = {name: _tensor(file, tensor) for name, (file, tensor) in job["bindings"].items()}
    got = package.run(package.open_package(job["package"], constants), inputs)
    expected = inductor.reference(module, inputs)
    names = [name for name in module.output_names if name not in job["omitted"]]
    pairs = [(a, b) for a, b, name in zip(got, expected, module.output_names) if name in names]
    record = numeric.compare(names, [a for a, _ in pairs], [b for _, b in pairs], inductor.precision(action), "real-weights")
    return {"checks": [record]}


def _eager(model: str, identity: str, action: dict) -> torch.nn.Module:
    key = (identity, action["model"]["auto_class"])
    if key not in _LOADED:
        _LOADED.clear()
        _LOADED[key] = weights.load(model, action, torch.float32)[0]
    return _LOADED[key]


def _tensor(file: str, name: str) -> torch.Tensor:
    with safetensors.safe_open(file, "pt") as opened:
        return opened.get_tensor(name)
