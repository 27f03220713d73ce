from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.errors import ShapeError
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.seq2seq import encode, open_answer
from neuronbuild.runtime.sessions import Sessions

TASK = "text2text-generation"


@pytest.fixture(scope="module")
def release(built):
    """Two inputs of 24 tokens, two beams each."""
    return read_release(built.releases[TASK])


@pytest.fixture(scope="module")
def sessions(release):
    return Sessions(release)


@pytest.fixture(scope="module")
def eager(models):
    return transformers.AutoModelForSeq2SeqLM.from_pretrained(models[TASK]).eval()


def ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(5, 120, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_inputs_are_encoded_in_groups_and_padded_to_the_compiled_length(release, sessions, eager):
    tokens = ids(3, 10)
    encoded = encode(sessions, release.buckets, {"input_ids": tokens}, 0)
    with torch.no_grad():
        expected = eager.get_encoder()(tokens).last_hidden_state
    assert torch.allclose(encoded["last_hidden_state"], expected, atol=1e-4)
    assert encoded["cross.1.values"].shape == (3, 4, 24, 8)


def test_an_input_that_is_too_long_is_refused_with_what_there_is(release, sessions):
    with pytest.raises(ShapeError, match="batch_size=2, sequence_length=24"):
        encode(sessions, release.buckets, {"input_ids": ids(1, 25)}, 0)


def test_a_row_goes_on_with_what_another_row_said(release, sessions, eager):
    tokens = ids(1, 7).expand(3, 7)
    answer = open_answer(sessions, release.buckets, encode(sessions, release.buckets, {"input_ids": tokens}, 0), 10)
    said, following, order = ids(3, 4, seed=1), ids(3, 1, seed=2), torch.tensor([1, 1, 0])
    mask = torch.ones((3, 7), dtype=torch.int64)
    answer.read(said, mask)
    answer.reorder(order)
    with torch.no_grad():
        expected = eager(tokens, decoder_input_ids=torch.cat([said[order], following], 1)).logits[:, -1]
    assert torch.allclose(answer.read(following, mask)[:, -1], expected, atol=1e-4)
    assert answer.length == 5


@pytest.mark.parametrize(("rows", "slots"), [(5, 8), (1, 25)])
def test_what_no_bucket_has_room_for_is_refused(release, sessions, rows, slots):
    encoded = encode(sessions, release.buckets, {"input_ids": ids(rows, 5)}, 0)
    with pytest.raises(ShapeError, match="num_beams=2"):
        open_answer(sessions, release.buckets, encoded, slots)
