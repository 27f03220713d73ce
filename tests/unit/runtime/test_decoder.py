from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.errors import ShapeError
from neuronbuild.runtime.decoder import open_decoder
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.sessions import Sessions


@pytest.fixture(scope="module")
def release(built):
    """Two sequences of two beams, 48 tokens each; prompts are read in chunks of 8 and 32."""
    return read_release(built.releases["text-generation"])


@pytest.fixture(scope="module")
def sessions(release):
    return Sessions(release)


@pytest.fixture(scope="module")
def eager(models):
    return transformers.AutoModelForCausalLM.from_pretrained(models["text-generation"]).eval()


def ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(5, 120, (rows, length), generator=torch.Generator().manual_seed(seed))


def read(decoder, tokens):
    """Scores of what may follow the last, nothing being padding."""
    rows, end = len(tokens), decoder.length + tokens.shape[1]
    positions = torch.arange(decoder.length, end).expand(rows, -1)
    return decoder.read(tokens, torch.ones((rows, end), dtype=torch.int64), positions)[:, 0]


@torch.no_grad()
def scores(eager, tokens):
    return eager(tokens).logits[:, -1]


def test_what_is_read_in_parts_is_scored_as_what_is_read_at_once(release, sessions, eager):
    tokens = ids(3, 30)
    decoder = open_decoder(sessions, release.buckets, 3, 30)
    for start, end in ((0, 9), (9, 10), (10, 29), (29, 30)):
        got = read(decoder, tokens[:, start:end])
        assert torch.allclose(got, scores(eager, tokens[:, :end]), atol=1e-4)
    assert decoder.length == 30


def test_rows_that_say_the_same_are_computed_once(release, sessions, eager, monkeypatch):
    tokens = ids(2, 9)[torch.tensor([0, 0, 1, 1])]
    calls, get = [], Sessions.get
    monkeypatch.setattr(Sessions, "get", lambda self, index: calls.append(index) or get(self, index))
    decoder = open_decoder(sessions, release.buckets, 4, 30)
    got = read(decoder, tokens)
    assert torch.allclose(got, scores(eager, tokens), atol=1e-4)
    assert len(calls) == 1  # one chunk, for both rows at once
    assert torch.allclose(read(decoder, tokens[:, :1]), scores(eager, torch.cat([tokens, tokens[:, :1]], 1)), atol=1e-4)


def test_more_distinct_rows_than_a_graph_reads_come_in_groups(release, sessions, eager):
    tokens = ids(4, 9)
    assert torch.allclose(read(open_decoder(sessions, release.buckets, 4, 30), tokens), scores(eager, tokens), atol=1e-4)


def test_a_row_goes_on_with_what_another_said(release, sessions, eager):
    tokens, following = ids(3, 12), ids(3, 1, seed=1)
    decoder, order = open_decoder(sessions, release.buckets, 3, 30), torch.tensor([2, 2, 0])
    read(decoder, tokens)
    decoder.reorder(order)
    assert torch.allclose(read(decoder, following), scores(eager, torch.cat([tokens[order], following], 1)), atol=1e-4)


def test_near_the_end_of_the_cache_a_chunk_begins_earlier(release, sessions, eager):
    tokens = ids(1, 47)
    decoder = open_decoder(sessions, release.buckets, 1, 48)
    read(decoder, tokens[:, :43])
    assert torch.allclose(read(decoder, tokens[:, 43:]), scores(eager, tokens), atol=1e-4)


@pytest.mark.parametrize(("rows", "slots"), [(5, 8), (1, 49)])
def test_what_no_bucket_has_room_for_is_refused_with_what_there_is(release, sessions, rows, slots):
    with pytest.raises(ShapeError, match="batch_size=2, num_beams=2, sequence_length=48"):
        open_decoder(sessions, release.buckets, rows, slots)
