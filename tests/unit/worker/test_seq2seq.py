from __future__ import annotations

import pytest
import torch

from neuronbuild.runtime.seq2seq import encode, open_answer
from neuronbuild.tasks import families_for
from tests.tools.exported import export_graphs
from tests.tools.tiny import tiny_answerer

STEPS = 9


@torch.no_grad()
def assert_it_answers_as_eager_does(model, task, encoder, given):
    decoder = {"batch_size": 2, "num_beams": 1, "sequence_length": 24}
    sessions, buckets = export_graphs(model, task, [("encoder", encoder), ("decoder", decoder)])
    answer = open_answer(sessions, buckets, encode(sessions, buckets, given, 0), 24)
    tokens = torch.full((2, 1), model.config.decoder_start_token_id)
    for _ in range(STEPS):
        scores = answer.read(tokens[:, -1:])[:, -1]
        assert torch.allclose(scores, model(**given, decoder_input_ids=tokens).logits[:, -1], atol=1e-4)
        tokens = torch.cat([tokens, scores.argmax(-1)[:, None]], 1)


@pytest.mark.parametrize("family", families_for("text2text-generation"))
def test_every_family_answers_as_eager_transformers_does(family):
    ids, mask = torch.randint(5, 100, (2, 13)), torch.ones(2, 13, dtype=torch.int64)
    mask[1, 9:] = 0
    sizes = {"batch_size": 2, "sequence_length": 24}
    assert_it_answers_as_eager_does(
        tiny_answerer(family), "text2text-generation", sizes, {"input_ids": ids, "attention_mask": mask}
    )


def test_whisper_writes_down_what_eager_transformers_does():
    assert_it_answers_as_eager_does(
        tiny_answerer("whisper"), "speech-seq2seq", {"batch_size": 2}, {"input_features": torch.randn(2, 8, 40)}
    )
