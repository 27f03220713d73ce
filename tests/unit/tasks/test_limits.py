from __future__ import annotations

import pytest

from neuronbuild.plan.config import normalise_config
from neuronbuild.tasks import TASKS, families_for
from neuronbuild.tasks.limits import input_limits, longest_sequence
from tests.tools.tiny import tiny_answerer

ROTATION = {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({"max_position_embeddings": 64}, 64),
        ({"n_positions": 64}, 64),
        ({"max_target_positions": 64}, 64),
        ({"max_position_embeddings": 64, "original_max_position_embeddings": 32}, 64),
        ({"max_position_embeddings": 64, "original_max_position_embeddings": 32, "rope_parameters": ROTATION}, 32),
        ({"text_config": {"max_position_embeddings": 64}}, 64),
        ({}, None),
    ],
)
def test_positions_end_with_their_table_or_where_rotations_change(config, longest):
    assert input_limits(config).get("position_ids") == longest


def test_a_family_may_read_fewer_tokens_than_it_has_positions_or_any_number():
    config = {"max_position_embeddings": 64}
    assert [longest_sequence(config, shortfall) for shortfall in (0, 2, None)] == [64, 62, None]
    assert longest_sequence({**config, "rope_parameters": {"rope_type": "dynamic"}}, None) == 64


SEPARATE = {"share_encoder_decoder_embeddings": False}


@pytest.mark.parametrize("own", [{}, {"decoder_vocab_size": 70}, {"decoder_vocab_size": 130}], ids=str)
@pytest.mark.parametrize("how", [{}, SEPARATE, {"tie_word_embeddings": False}], ids=str)
@pytest.mark.parametrize("family", families_for("text2text-generation"))
def test_ids_end_where_the_tables_of_encoder_and_decoder_do(family, how, own):
    model = tiny_answerer(family, **own, **how)
    config = normalise_config(model.config.to_dict(), TASKS["text2text-generation"])
    tables = [len(part.get_input_embeddings().weight) for part in (model.get_encoder(), model.get_decoder())]
    limits = input_limits(config)
    assert [limits["input_ids"], limits["decoder_input_ids"]] == tables
