from __future__ import annotations

import pytest

from neuronbuild.plan.config import normalise_config
from neuronbuild.tasks import TASKS

TASK = TASKS["text2text-generation"]


def normal(model_type: str, **config) -> dict[str, object]:
    return normalise_config({"model_type": model_type, **config}, TASK)


def test_a_decoder_is_as_deep_as_its_encoder_unless_a_config_says_otherwise():
    assert normal("t5", num_layers=9)["num_decoder_layers"] == 9
    assert normal("mt5", num_layers=9, num_decoder_layers=3)["num_decoder_layers"] == 3


@pytest.mark.parametrize(
    ("said", "gated", "function"), [("relu", False, "relu"), ("gated-gelu", True, "gelu_new"), ("gated-silu", True, "silu")]
)
def test_layers_are_gated_where_their_name_says_so(said, gated, function):
    made = normal("t5", feed_forward_proj=said)
    assert (made["is_gated_act"], made["dense_act_fn"]) == (gated, function)


def test_untied_embeddings_of_t5_say_that_scores_are_not_scaled():
    made = normal("t5", tie_word_embeddings=False)
    assert (made["scale_decoder_outputs"], made["tie_word_embeddings"]) == (False, True)
    assert normal("t5")["scale_decoder_outputs"] is True


def test_both_sides_of_a_translation_have_one_vocabulary_unless_a_config_says_otherwise():
    assert normal("marian", vocab_size=77)["decoder_vocab_size"] == 77
    assert normal("marian", vocab_size=77, decoder_vocab_size=9)["decoder_vocab_size"] == 9
