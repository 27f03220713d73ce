from __future__ import annotations

import pytest
import torch

from neuronbuild import NeuronModelForSeq2SeqLM, NeuronModelForSpeechSeq2Seq
from neuronbuild.tasks import families_for
from tests.tools.exported import open_exported
from tests.tools.tiny import tiny_answerer
from tests.unit.worker.test_generation import WAYS, assert_both_write_the_same

SHAPES = {"text2text-generation": {"batch_size": 2, "sequence_length": 24}, "speech-seq2seq": {"batch_size": 2}}


def assert_it_answers_as_eager_does(eager, model_class, given, folder):
    """Scores of every token of an answer, and answers of every way, token for token."""
    decoder = {"batch_size": 2, "num_beams": 2, "sequence_length": 24}
    task = model_class.task
    model = open_exported(model_class, eager, task, [("encoder", SHAPES[task]), ("decoder", decoder)], folder)
    tokens = torch.randint(5, 100, (2, 4), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = eager(**given, decoder_input_ids=tokens).logits
    assert torch.allclose(model(**given, decoder_input_ids=tokens).logits, expected, atol=1e-4)
    assert_both_write_the_same(model, eager, given, WAYS, max_new_tokens=8, min_new_tokens=6)


@pytest.mark.parametrize("family", families_for("text2text-generation"))
def test_every_family_answers_as_eager_transformers_does(family, tmp_path):
    ids, mask = torch.randint(5, 100, (2, 13), generator=torch.Generator().manual_seed(1)), torch.ones(2, 13, dtype=torch.int64)
    mask[1, 9:] = 0
    given = {"input_ids": ids, "attention_mask": mask}
    assert_it_answers_as_eager_does(tiny_answerer(family), NeuronModelForSeq2SeqLM, given, tmp_path)


def test_whisper_writes_down_what_eager_transformers_does(tmp_path):
    given = {"input_features": torch.randn((2, 8, 40), generator=torch.Generator().manual_seed(1))}
    assert_it_answers_as_eager_does(tiny_answerer("whisper"), NeuronModelForSpeechSeq2Seq, given, tmp_path)
