"""Probes: calls of a compiled graph that look where a graph can go wrong, and what transformers itself gives for them.

The inputs that a graph was traced with show little: a graph may hold one of their values, ignore a mask, or follow another
rule at positions that they don't reach. So probes have other values, padding on either side, and for caches the first and the
last slots, the highest positions, and prompts that are read in several chunks. The expected values never come from the graph
itself but from the model, called as transformers' users call it, in float32.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence

import torch

from . import numeric
from .contract import Check
from .toolchain import Compiled, Tensors

Expected = tuple[str, typing.Any, torch.Tensor]
"""The name of an output or state, the index of a part of it as `Tensor.__getitem__` takes it, and the expected part."""


class Probe:
    """Calls of a graph, one after the other over the same states, and what the last of them must leave.

    `calls` are the inputs of each call; `states` are the cache's tensors before the first one. `expected` are triples: the
    name of an output or state, the index of the part of it that is compared, and the expected tensor. `where` names the part
    of the inputs that is tried, for messages.
    """

    def __init__(self, where: str, calls: Sequence[Tensors], expected: Sequence[Expected], states: Tensors = ()) -> None:
        self.where = where
        self.calls = calls
        self.expected = expected
        self.states = states


def check(compiled: Compiled, module: torch.nn.Module, precision: torch.dtype, kind: str, omitted: Sequence[str] = ()) -> Check:
    """Run all probes of a graph through what was compiled, and give the record of the comparison.

    `compiled` takes a list of inputs and states, updates the states in place and gives a list of outputs. `omitted` are
    outputs that aren't compared. The model of `module` is in float32 afterwards.

    Raises:
        UserError: an output or state differs from eager PyTorch by more than the tolerance.
    """
    comparison = numeric.Comparison(kind, precision)
    torch.nn.Module.float(module.model)  # transformers' own refuses a model that came from a quantized file
    with torch.no_grad():
        for probe in module.probes(seed=3):
            found = _run(compiled, module, probe)
            for name, index, expected in probe.expected:
                if name not in omitted:
                    comparison.add(name, found[name][index], expected, probe.where)
    return comparison.record()


def _run(compiled: Compiled, module: torch.nn.Module, probe: Probe) -> dict[str, torch.Tensor]:
    """What the last call leaves, outputs and states by name."""
    states = [state.to(module.dtype, copy=True) for state in probe.states]
    outputs: Tensors = []
    for call in probe.calls:
        outputs = compiled([*(tensor.clone() for tensor in call), *states])
    return dict(zip([*module.output_names, *module.states], [*outputs, *states]))
