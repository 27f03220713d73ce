from __future__ import annotations

import pytest

from neuronbuild.plan.config import normalise_config
from neuronbuild.plan.family_defaults import DEFAULTS
from neuronbuild.tasks import TASKS

TASK = TASKS["image-classification"]
OLD_TEXT = {
    "add_cross_attention": False,
    "architectures": None,
    "bad_words_ids": None,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None,
    "dropout": 0.0,
    "is_decoder": False,
    "num_beams": 1,
    "sep_token_id": None,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
    "top_k": 50,
    "torchscript": False,
    "transformers_version": "4.16.0.dev0",
}
"""What older versions wrote into a config within a config, and what says nothing."""


def normal(model_type: str, **config) -> dict[str, object]:
    return normalise_config({"model_type": model_type, **config}, TASK)


def test_a_config_within_a_config_has_its_own_defaults():
    made = normal("clip", text_config={"hidden_size": 64})["text_config"]
    assert made == {**DEFAULTS["clip"]["text_config"], "hidden_size": 64}


@pytest.mark.parametrize("silent", [None, {}, OLD_TEXT, {"model_type": "clip_text_model"}, {"model_type": "an older name"}])
def test_a_part_that_says_nothing_is_the_defaults(silent):
    assert normal("clip", text_config=silent) == normal("clip")


@pytest.mark.parametrize("part", ["text_config", "vision_config"])
def test_the_older_name_of_a_part_counts_unless_it_is_null(part):
    stated = {"hidden_size": 64, "num_attention_heads": 4}
    assert normal("clip", **{part: stated}) == normal("clip", **{f"{part}_dict": stated})
    assert normal("clip", **{part: {"hidden_size": 8}, f"{part}_dict": stated}) == normal("clip", **{part: stated})
    assert normal("clip", **{part: stated, f"{part}_dict": None}) == normal("clip", **{part: stated})


def test_a_part_that_is_no_mapping_is_left_for_transformers_to_refuse():
    assert normal("clip", text_config=7)["text_config"] == 7


def test_whole_numbers_in_lists_are_the_familys_floats():
    assert normal("cvt", mlp_ratio=[4, 4, 4]) == normal("cvt", mlp_ratio=[4.0, 4.0, 4.0]) == normal("cvt")


def test_stages_and_their_widths_follow_from_depths():
    made = normal("swin", depths=[2, 2, 2], embed_dim=64)
    assert (made["num_layers"], made["hidden_size"]) == (3, 256)


@pytest.mark.parametrize("changes", [{"depths": "many"}, {"depths": []}, {"depths": [1] * 100}, {"embed_dim": None}])
def test_strange_stages_are_left_for_transformers_to_refuse(changes):
    assert "hidden_size" not in normal("swin", **changes)


def test_how_stages_hand_over_follows_from_keys_and_widths():
    made = normal("levit", key_dim=[8, 8, 8], hidden_sizes=[16, 32, 48])
    assert made["down_ops"] == [["Subsample", 8, 2, 4, 2, 2], ["Subsample", 8, 4, 4, 2, 2]]
    assert normal("levit", down_ops=[["own"]])["down_ops"] == [["own"]]


@pytest.mark.parametrize(
    "changes", [{"key_dim": 8}, {"key_dim": []}, {"key_dim": [0]}, {"hidden_sizes": [1]}, {"key_dim": ["x"]}]
)
def test_strange_keys_are_left_for_transformers_to_refuse(changes):
    assert "down_ops" not in normal("levit", **changes)


def test_layers_of_convolutions_are_counted():
    assert normal("hubert", conv_dim=[1, 2])["num_feat_extract_layers"] == 2
    assert normal("wav2vec2", hidden_size=64)["output_hidden_size"] == 64
    assert normal("wav2vec2", hidden_size=64, output_hidden_size=32)["output_hidden_size"] == 32


@pytest.mark.parametrize("name", ["apply_spec_augment", "mask_time_length", "ctc_loss_reduction", "num_negatives"])
def test_what_is_of_training_only_leaves_no_trace(name):
    assert normal("wav2vec2", **{name: 5}) == normal("wav2vec2")


def test_the_length_of_a_table_of_positions_is_no_setting_of_generation():
    assert normal("audio-spectrogram-transformer", max_length=512)["max_length"] == 512
    assert "max_length" not in normal("vit", max_length=20)
