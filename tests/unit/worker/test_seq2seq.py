from __future__ import annotations

import pytest
import torch

from neuronbuild import NeuronModelForSeq2SeqLM, NeuronModelForSpeechSeq2Seq
from neuronbuild.errors import InputError
from neuronbuild.tasks import families_for
from tests.tools.exported import open_exported
from tests.tools.tiny import tiny_answerer
from tests.unit.worker.test_generation import WAYS, assert_both_write_the_same

SHAPES = {"text2text-generation": {"batch_size": 2, "sequence_length": 24}, "speech-seq2seq": {"batch_size": 2}}
ANSWER = torch.randint(5, 100, (2, 4), generator=torch.Generator().manual_seed(2))


def open_answerer(model_class, eager, folder):
    """A model of ours with room for two answers of 24 tokens, or two beams of each."""
    decoder, task = {"batch_size": 2, "num_beams": 2, "sequence_length": 24}, model_class.task
    return open_exported(model_class, eager, task, [("encoder", SHAPES[task]), ("decoder", decoder)], folder)


def assert_it_answers_as_eager_does(model, eager, given, tokens):
    """Scores of every token of an answer, and answers of every way, token for token."""
    with torch.no_grad():
        expected = eager(**given, decoder_input_ids=tokens).logits
    assert torch.allclose(model(**given, decoder_input_ids=tokens).logits, expected, atol=1e-4)
    assert_both_write_the_same(model, eager, given, WAYS, max_new_tokens=8, min_new_tokens=6)


@pytest.mark.parametrize("family", families_for("text2text-generation"))
def test_every_family_answers_as_eager_transformers_does(family, tmp_path):
    ids, mask = torch.randint(5, 100, (2, 13), generator=torch.Generator().manual_seed(1)), torch.ones(2, 13, dtype=torch.int64)
    mask[1, 9:] = 0
    given = {"input_ids": ids, "attention_mask": mask}
    eager = tiny_answerer(family)
    assert_it_answers_as_eager_does(open_answerer(NeuronModelForSeq2SeqLM, eager, tmp_path), eager, given, ANSWER)


@pytest.mark.parametrize(("reads", "writes"), [(60, 100), (100, 60)])
def test_a_translator_with_a_table_of_its_own_for_either_language_answers_as_eager_transformers_does(reads, writes, tmp_path):
    """And ids are refused that its decoder hasn't got, though its encoder has."""
    sizes = {"vocab_size": reads, "decoder_vocab_size": writes, "encoder_layers": 1, "decoder_layers": 1}
    eager = tiny_answerer("marian", share_encoder_decoder_embeddings=False, **sizes)
    source, answer = (
        torch.randint(words - 30, words, (2, 8), generator=torch.Generator().manual_seed(1)) for words in (reads, writes)
    )
    model = open_answerer(NeuronModelForSeq2SeqLM, eager, tmp_path)
    assert_it_answers_as_eager_does(model, eager, {"input_ids": source}, answer)
    for wrong in ({"input_ids": source + 30}, {"input_ids": source, "decoder_input_ids": answer + 30}):
        with pytest.raises(InputError, match=r"outside 0 to|this model knows 0 to"):
            model.generate(**wrong, max_new_tokens=2)


def test_whisper_writes_down_what_eager_transformers_does(tmp_path):
    given = {"input_features": torch.randn((2, 8, 40), generator=torch.Generator().manual_seed(1))}
    eager = tiny_answerer("whisper")
    assert_it_answers_as_eager_does(open_answerer(NeuronModelForSpeechSeq2Seq, eager, tmp_path), eager, given, ANSWER)
