from __future__ import annotations

import pytest
import torch

from neuronbuild.errors import InputError, ShapeError
from neuronbuild.runtime.conversation import first_of_equals, own_or_last
from neuronbuild.runtime.decoder import open_decoder
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.sessions import Sessions
from tests.unit.runtime.test_decoder import ids, read


@pytest.fixture(scope="module")
def decoder(built):
    """A cache for three sequences of up to 48 tokens, of which five were read."""
    release = read_release(built.releases["text-generation"])
    decoder = open_decoder(Sessions(release), release.buckets, 3, 30)
    read(decoder, ids(3, 5))
    return decoder


@pytest.mark.parametrize(
    ("rows", "tokens", "told"), [(2, 1, "2 sequences"), (4, 1, "4 sequences"), (3, 44, "49 tokens, 5 of them")]
)
def test_nothing_is_written_past_a_cache(decoder, monkeypatch, rows, tokens, told):
    monkeypatch.setattr(Sessions, "get", lambda *_: pytest.fail("a graph was called"))
    with pytest.raises((InputError, ShapeError), match=told):
        read(decoder, ids(rows, tokens))
    assert decoder.length == 5


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 3], [-1, 0, 1], [[0, 1, 2]], [0.0, 1.0, 2.0]], ids=str)
def test_an_order_of_other_sequences_is_refused(decoder, order):
    with pytest.raises(InputError, match="order"):
        decoder.reorder(torch.tensor(order))


def test_rows_without_a_sequence_repeat_the_last():
    assert own_or_last(4, 2).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_equal_rows_are_found_whatever_they_hold(dtype):
    rows = torch.tensor([[1, 2], [3, 4], [1, 2], [3, 4]], dtype=dtype)
    assert first_of_equals(rows) == [0, 1, 0, 1]
