"""Graphs for Neuron, run without data: no operator sees tensors of two devices, and no value is looked at.

The double of torch_neuronx refuses both, where torch-xla itself isn't at hand.
"""

from __future__ import annotations

import importlib.util

import pytest
import torch

from neuronbuild.tasks import FAMILIES, TASKS
from neuronbuild.worker import graph, graph_classes, traced
from tests.conftest import ROOT
from tests.tools.neuron_graphs import cases

SPEC = importlib.util.spec_from_file_location("one_device", ROOT / "tests/doubles/neuron_sdk/packages/one_device.py")
DOUBLE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(DOUBLE)

CASES = dict(cases())
FIRST = {next(name for name in CASES if name.split()[1] == family) for family in FAMILIES}
"""A graph of each family; and all of those that have a cache."""


def names() -> list:
    generating = {name for name in CASES if TASKS[name.split()[0]].generates}
    return [pytest.param(name, marks=() if name in FIRST | generating else pytest.mark.soak) for name in CASES]


@torch.no_grad()
@pytest.mark.parametrize("name", names())
def test_a_graph_runs_on_one_device_and_looks_at_no_value(name):
    action = CASES[name]
    module = graph_classes.open_graph(graph.make_model(action, torch.float32), action)
    inputs = module.example(seed=0)
    held = traced.Stateful.around(module, inputs)
    DOUBLE.refuse_mixed_devices(held, inputs[: len(module.input_names)])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda tensor: tensor + torch.ones(3), "Expected XLA tensor. Got: torch.FloatTensor"),
        (lambda tensor: tensor.index_copy(0, torch.arange(3), tensor), "Expected XLA tensor. Got: torch.LongTensor"),
        (lambda tensor: tensor * tensor.max().item(), "item"),
        (lambda tensor: tensor if tensor.sum() > 0 else -tensor, "meta"),
    ],
)
def test_what_torch_xla_refuses_is_refused(function, said):
    with pytest.raises(RuntimeError, match=said):
        DOUBLE.refuse_mixed_devices(function, (torch.ones(3),))
