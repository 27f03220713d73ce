from __future__ import annotations

import pytest
import transformers

from neuronbuild import NeuronModelForCausalLM
from neuronbuild.errors import InputError
from neuronbuild.models.hooks import rows_each
from tests.tools.tiny import tiny_decoder
from tests.unit.models.test_generation import open_settings


def test_generation_of_many_requests_at_once_is_refused_by_name(tmp_path):
    tiny_decoder("llama").save_pretrained(tmp_path)
    model = open_settings(NeuronModelForCausalLM, tmp_path)
    names = [name for base in transformers.GenerationMixin.__bases__ for name in vars(base) if not name.startswith("_")]
    assert "generate_batch" in names
    for name in names:
        with pytest.raises(InputError, match=name):
            getattr(model, name)([[1, 2]])


@pytest.mark.parametrize(
    ("settings", "rows"), [({}, 1), ({"num_beams": 3}, 3), ({"num_return_sequences": 2, "do_sample": True}, 2)], ids=str
)
def test_a_prompt_takes_a_row_for_each_beam_or_sequence(settings, rows):
    assert rows_each(transformers.GenerationConfig(**settings)) == rows
