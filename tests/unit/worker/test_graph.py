from __future__ import annotations

import pytest
import torch

from neuronbuild.worker import graph, noise
from neuronbuild.worker.errors import UserError
from tests.tools.action_keys import CPU
from tests.tools.tiny import tiny_decoder
from tests.unit.plan.cases import make_action as planned
from tests.unit.worker.actions import make_action

DECODE = {"batch_size": 1, "num_beams": 1, "sequence_length": 16}
TOKENS = torch.arange(24.0).reshape(2, 3, 4)
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def test_example_inputs_are_distinct_tensors_of_the_actions_shapes():
    inputs = graph.example_inputs(make_action(batch=2, length=8))
    assert [tuple(tensor.shape) for tensor in inputs] == [(2, 8)] * 3
    assert len({tensor.data_ptr() for tensor in inputs}) == 3
    assert all(tensor.dtype is torch.int64 for tensor in inputs)
    assert not any(torch.equal(inputs[i], inputs[j]) for i in range(3) for j in range(i))


def test_example_inputs_leave_a_tail_out_and_have_two_types_of_tokens():
    ids, mask, types = graph.example_inputs(make_action(batch=2, length=8))
    assert mask.tolist() == [[1] * 8, [1] * 5 + [0] * 3]
    assert types.tolist() == [[0] * 4 + [1] * 4] * 2
    assert 5 <= int(ids.min()) <= int(ids.max()) < 120


def test_the_shortest_sequences_are_not_masked_away():
    _, mask, _ = graph.example_inputs(make_action(batch=1, length=3))
    assert mask.tolist() == [[1, 1, 1]]


def test_a_model_of_one_token_type_gets_no_other():
    action = make_action()
    action["model"]["config"]["type_vocab_size"] = 1
    assert int(graph.example_inputs(action)[2].max()) == 0


def test_seeds_decide_the_example_inputs():
    one, same, other = (graph.example_inputs(make_action(), seed)[0] for seed in (0, 0, 3))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_same_action_makes_the_same_model_every_time():
    one, other = (graph.make_model(make_action(), torch.float32).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_no_weight_is_a_zero_or_a_one_that_could_be_folded_into_code():
    model = graph.make_model(make_action(), torch.float32)
    assert not model.training
    for name, parameter in model.named_parameters():
        assert len(parameter.unique()) > 1, name
        assert not torch.equal(parameter, torch.ones_like(parameter)), name


def test_shaking_moves_every_weight_and_keeps_tied_ones_tied():
    model = graph.make_model(make_action("fill-mask"), torch.float32)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    noise.shake(model, seed=2)
    assert not any(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    decoder = model.get_output_embeddings().weight
    assert decoder.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_attention_to_masked_tokens_changes_nothing_that_counts():
    action = make_action("feature-extraction")
    module = graph.Graph(graph.make_model(action, torch.float32), action)
    ids, mask, types = graph.example_inputs(action)
    other = torch.where(mask == 0, 7, ids)
    assert not torch.equal(ids, other)
    with torch.no_grad():
        one, two, unmasked = (
            module(ids, mask, types)[0],
            module(other, mask, types)[0],
            module(ids, torch.ones_like(mask), types)[0],
        )
    assert torch.allclose(one[mask.bool()], two[mask.bool()], atol=1e-6)
    assert not torch.allclose(one, unmasked, atol=1e-3)


def test_outputs_come_in_the_actions_order_and_only_those_that_there_are():
    action = make_action("feature-extraction")
    action["model"]["outputs"] = ["pooler_output", "no_such_output", "last_hidden_state"]
    module = graph.Graph(graph.make_model(action, torch.float32), action)
    with torch.no_grad():
        outputs = module(*graph.example_inputs(action))
    assert module.output_names == ["pooler_output", "last_hidden_state"]
    assert [tensor.dim() for tensor in outputs] == [2, 3]


@pytest.mark.parametrize(
    ("compiler", "cast", "weights"),
    [
        ({}, None, torch.float32),
        ({"auto_cast": "matmul", "auto_cast_type": "bf16"}, torch.bfloat16, torch.float32),
        ({"auto_cast": "all", "auto_cast_type": "fp16"}, None, torch.float16),
    ],
)
def test_casts_lower_products_or_weights(compiler, cast, weights):
    action = make_action(**compiler)
    assert graph.cast_of(action) is cast
    assert graph.weight_dtype(action) is weights


def test_the_dtype_of_weights_is_the_actions():
    assert graph.weight_dtype({**make_action(), "dtype": "float16"}) is torch.float16


def test_lower_weights_leave_the_frequencies_of_positions_as_they_are():
    config = tiny_decoder("llama").config.to_dict()
    made = planned(config=config, task="text-generation", graph="decode", sizes=DECODE, auto_cast="none", **CPU)
    model = graph.make_model(made.document, torch.bfloat16)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in model.buffers()} == {torch.float32}


def test_results_of_casts_are_wide_again():
    action = make_action(auto_cast="all", auto_cast_type="bf16")
    module = graph.Graph(graph.make_model(action, torch.bfloat16), action)
    with torch.no_grad():
        [logits] = module(*graph.example_inputs(action))
    assert logits.dtype is torch.float32


def test_a_config_that_transformers_refuses_is_the_users_fault():
    action = make_action()
    action["model"]["config"]["num_attention_heads"] = 5
    with pytest.raises(UserError, match=r"transformers can't make this model: .*attention heads"):
        graph.make_model(action, torch.float32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": "32"}, "hidden_size"),
        ({"hidden_size": [32]}, "hidden_size"),
        ({"num_attention_heads": 0}, "num_attention_heads: 0"),
        ({"hidden_act": "nosuch"}, "hidden_act: 'nosuch'"),
    ],
)
def test_a_config_that_makes_no_model_is_the_users_and_says_which_value(change, words):
    action = make_action()
    action["model"]["config"].update(change)
    with pytest.raises(UserError) as caught:
        graph.make_model(action, torch.float32)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
