from __future__ import annotations

import pytest

from neuronbuild.plan.config import normalise_config
from neuronbuild.tasks import TASKS

TASK = TASKS["text-generation"]


def normal(model_type: str, **config) -> dict[str, object]:
    return normalise_config({"model_type": model_type, **config}, TASK)


def test_heads_share_out_the_hidden_size_unless_a_config_says_otherwise():
    assert normal("llama", hidden_size=96, num_attention_heads=6)["head_dim"] == 16
    assert normal("llama", hidden_size=96, num_attention_heads=6, head_dim=32)["head_dim"] == 32
    assert normal("mistral", head_dim=None, hidden_size=96, num_attention_heads=6)["head_dim"] == 16


@pytest.mark.parametrize("family", ["llama", "phi3", "granite", "qwen2"])
def test_there_are_as_many_key_heads_as_others_where_a_config_says_none(family):
    assert normal(family, num_attention_heads=6, num_key_value_heads=None)["num_key_value_heads"] == 6


@pytest.mark.parametrize(
    "config",
    [
        {"rope_theta": 5000},
        {"rope_theta": 5000.0, "rope_scaling": None},
        {"rope_parameters": {"rope_theta": 5000.0, "rope_type": "default"}},
        {"rope_parameters": {"rope_type": "default"}, "rope_theta": 5000.0},
    ],
)
def test_old_and_new_words_for_a_rotation_are_one(config):
    assert normal("llama", **config)["rope_parameters"] == {"rope_theta": 5000.0, "rope_type": "default"}


def test_a_scaled_rotation_keeps_what_it_says():
    scaled = {"type": "linear", "factor": 2.0}
    assert normal("llama", rope_scaling=scaled)["rope_parameters"] == {
        "rope_theta": 10000.0,
        "rope_type": "linear",
        **scaled,
    }


def test_layers_look_back_through_a_window_from_the_first_that_does():
    config = {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    assert normal("qwen2", **config)["layer_types"] == ["full_attention", "sliding_attention", "sliding_attention"]
    assert normal("qwen2", **config | {"use_sliding_window": False})["layer_types"] == ["full_attention"] * 3


def test_every_fourth_layer_does_not_turn():
    assert normal("smollm3", num_hidden_layers=5)["no_rope_layers"] == [1, 1, 1, 0, 1]


def test_an_old_slip_in_gemmas_configs_is_mended():
    assert normal("gemma", hidden_act="gelu")["hidden_act"] == "gelu_pytorch_tanh"


@pytest.mark.parametrize("layers", ["many", 10**12, 0, -1])
def test_strange_numbers_of_layers_are_left_for_transformers_to_refuse(layers):
    assert "layer_types" not in normal("qwen3", num_hidden_layers=layers)
