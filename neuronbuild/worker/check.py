"""The check of a release: the compiled graph with the real weights, against eager PyTorch with the same."""

from __future__ import annotations

import os

import safetensors
import torch

from . import graph_classes, private, probes, weights
from .contract import Action, CheckJob, CheckResult
from .errors import UserError
from .toolchain import Toolchain

_LOADED: dict[tuple[str, str], torch.nn.Module] = {}
"""The last eager model, by what it was loaded from: the buckets of one release come one after the other."""


def check_release(job: CheckJob, toolchain: Toolchain) -> CheckResult:
    """Run one bucket and compare. `toolchain` is the module of the action's toolchain.

    Raises:
        UserError: the difference is out of tolerance.
    """
    action = job["action"]
    module = graph_classes.open_graph(_eager(job["model"], job["identity"], action), action)
    constants = {name: _tensor(file, tensor) for name, (file, tensor) in job["bindings"].items()}
    with private.private_copy(job["package"], job["sha256"]) as package:
        compiled = toolchain.open_compiled(package, constants)
    try:
        record = probes.check(compiled, module, toolchain.precision(action), "real-weights", tuple(job["omitted"]))
    except UserError as error:
        raise UserError(f"{error}{_cause(job, constants)}") from error
    return {"checks": [record]}


def _cause(job: CheckJob, constants: dict[str, torch.Tensor]) -> str:
    """What in the checkpoint makes the difference, as the end of a sentence: empty where nothing strange is found."""
    strange = sorted(name for name, tensor in constants.items() if not torch.isfinite(tensor).all())
    if strange:
        return f"; the weights hold NaN or infinite numbers: {', '.join(strange[:3])}"
    held = _held(job["model"])
    for names in job["tied"]:
        found = [(key, held[key]) for key in held if any(key == name or key.endswith("." + name) for name in names)]
        for key, file in found[1:]:
            first, other = _tensor(found[0][1], found[0][0]), _tensor(file, key)
            if first.shape != other.shape or not torch.equal(first, other):
                return (
                    f"; the config ties {found[0][0]} and {key}, but the checkpoint holds different tensors under these names"
                )
    return ""


def _held(model: str) -> dict[str, str]:
    """The file of each tensor that a checkpoint in safetensors holds."""
    held: dict[str, str] = {}
    for file in sorted(os.listdir(model)):
        if file.endswith(".safetensors"):
            path = os.path.join(model, file)
            with safetensors.safe_open(path, "pt") as opened:
                held.update(dict.fromkeys(opened.keys(), path))
    return held


def _eager(model: str, identity: str, action: Action) -> torch.nn.Module:
    key = (identity, action["model"]["auto_class"])
    if key not in _LOADED:
        _LOADED.clear()
        _LOADED[key] = weights.load(model, action, torch.float32)[0]
    return _LOADED[key]


def _tensor(file: str, name: str) -> torch.Tensor:
    with safetensors.safe_open(file, "pt") as opened:
        return opened.get_tensor(name)
