"""The check of a release: the compiled graph with the real weights, against eager PyTorch with the same."""

from __future__ import annotations

import safetensors
import torch

from . import graphs, numeric, serve, weights

_LOADED = {}
"""The last eager model, by what it was loaded from: the buckets of one release come one after the other."""


def check_release(job: dict) -> dict:
    """Run one bucket and compare."""
    action = job["action"]
    module = graphs.open_graph(_eager(job["model"], job["identity"], action), action)
    constants = {name: _tensor(file, tensor) for name, (file, tensor) in job["bindings"].items()}
    toolchain = serve.toolchain_of(action)
    compiled = toolchain.open_compiled(job["package"], constants)
    got, expected = numeric.run_both(compiled, module, module.example(seed=3))
    for name in job["omitted"]:
        del got[name], expected[name]
    return {"checks": [numeric.compare(got, expected, toolchain.precision(action), "real-weights")]}


def _eager(model: str, identity: str, action: dict) -> torch.nn.Module:
    key = (identity, action["model"]["auto_class"])
    if key not in _LOADED:
        _LOADED.clear()
        _LOADED[key] = weights.load(model, action, torch.float32)[0]
    return _LOADED[key]


def _tensor(file: str, name: str) -> torch.Tensor:
    with safetensors.safe_open(file, "pt") as opened:
        return opened.get_tensor(name)
