"""Noise on weights that are compared: enough to show a wrong graph, and not so much that rounding alone looks like one."""

from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.worker import graph, graph_classes, noise, numeric
from tests.tools.action_keys import CPU
from tests.tools.tiny import DECODER
from tests.unit.plan.cases import make_action

T5 = {
    "model_type": "t5",
    "d_model": 256,
    "d_kv": 64,
    "d_ff": 512,
    "num_layers": 10,
    "num_heads": 6,
    "vocab_size": 500,
    "feed_forward_proj": "gated-gelu",
    "decoder_start_token_id": 0,
}
LLAMA = transformers.LlamaConfig(**DECODER).to_dict()
SHAPES = {"batch_size": 2, "num_beams": 1, "sequence_length": 16, "prefill_length": 8}


def shaken(config: dict, task: str, name: str, **options) -> graph.Graph:
    """A graph over a model with the noise of both seeds, as a build compares it."""
    document = make_action(config=config, task=task, graph=name, sizes=SHAPES, **{**options, **CPU}).document
    module = graph_classes.open_graph(graph.make_model(document, graph.weight_dtype(document)), document)
    noise.shake(module.model, noise.COMPARED)
    return module


def settle(module: graph.Graph, precision: torch.dtype) -> None:
    noise.settle(module, precision, (noise.TRACED, noise.COMPARED))


def rounding(module: graph.Graph, precision: torch.dtype) -> float:
    return noise._rounding(module, precision)


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ({"auto_cast": "none", "dtype": "bfloat16"}, torch.bfloat16),
        ({"auto_cast": "matmul", "auto_cast_type": "bf16"}, torch.bfloat16),
    ],
    ids=["bf16", "products in bf16"],
)
def test_a_model_that_amplifies_rounding_is_compared_with_less_noise(options, precision):
    module = shaken(T5, "text2text-generation", "decoder", **options)
    allowed = numeric.TOLERANCE[precision]
    assert rounding(module, precision) > allowed
    settle(module, precision)
    assert rounding(module, precision) <= noise.ROUNDING * allowed
    assert {parameter.dtype for parameter in module.model.parameters()} == {graph.weight_dtype(module.action)}


@pytest.mark.parametrize("name", ["prefill", "decode"])
def test_a_model_that_does_not_amplify_rounding_keeps_its_weights(name):
    module = shaken(LLAMA, "text-generation", name, auto_cast="none", dtype="bfloat16")
    before = {key: tensor.clone() for key, tensor in [*module.named_parameters(), *module.named_buffers()]}
    settle(module, torch.bfloat16)
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        assert tensor.dtype is before[key].dtype
        assert torch.equal(tensor, before[key])


def test_noise_can_be_taken_away_again():
    module = shaken(LLAMA, "text-generation", "decode", auto_cast="none")
    before = [tensor.clone() for tensor in noise.held(module.model)]
    noise.shake(module.model, seed=5)
    assert not any(torch.equal(*pair) for pair in zip(before, noise.held(module.model), strict=True))
    noise.shake(module.model, seed=5, share=-1.0)
    for one, other in zip(before, noise.held(module.model), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
