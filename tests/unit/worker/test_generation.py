from __future__ import annotations

import pytest
import torch

from neuronbuild import NeuronModelForCausalLM
from neuronbuild.tasks import families_for
from tests.tools.exported import export_graphs, open_exported
from tests.tools.tiny import tiny_decoder

SHAPES = [
    ("prefill", {"batch_size": 2, "prefill_length": 8, "sequence_length": 32}),
    ("decode", {"batch_size": 2, "num_beams": 2, "sequence_length": 32}),
]
WAYS = [
    {"do_sample": False},
    {"num_beams": 2, "do_sample": False},
    {"do_sample": True, "temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.3},
]


def assert_both_write_the_same(model, eager, inputs, ways, **how):
    """Every way, token for token, from the same seed."""
    for way in ways:
        made = []
        for each in (eager, model):
            torch.manual_seed(1)
            made.append(each.generate(**inputs, **how, **way))
        assert torch.equal(*made), way


@pytest.mark.parametrize("family", families_for("text-generation"))
def test_every_family_says_what_eager_transformers_says(family, tmp_path):
    eager = tiny_decoder(family)
    ids, mask = torch.randint(5, 100, (2, 11), generator=torch.Generator().manual_seed(1)), torch.ones(2, 11, dtype=torch.int64)
    ids[1, :4], mask[1, :4] = 0, 0
    model = open_exported(NeuronModelForCausalLM, eager, "text-generation", SHAPES, tmp_path)
    given = {"input_ids": ids, "attention_mask": mask}
    assert_both_write_the_same(model, eager, given, WAYS, max_new_tokens=8, min_new_tokens=6)


def test_states_are_named_by_layer_and_say_what_decides_their_size():
    model = tiny_decoder("llama")
    _, buckets = export_graphs(model, "text-generation", SHAPES[1:])
    names = [spec.name for spec in buckets[0].signature.states]
    assert names == [f"self.{layer}.{part}" for layer in (0, 1) for part in ("keys", "values")]
    assert buckets[0].signature.states[0].axes == ("rows", None, "sequence_length", None)
