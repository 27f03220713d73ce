from __future__ import annotations

import pytest
import torch

from neuronbuild.runtime.decoder import open_decoder
from neuronbuild.tasks import families_for
from tests.tools.exported import export_graphs
from tests.tools.tiny import tiny_decoder

SHAPES = [
    ("prefill", {"batch_size": 2, "prefill_length": 8, "sequence_length": 32}),
    ("decode", {"batch_size": 2, "num_beams": 1, "sequence_length": 32}),
]


def continue_greedily(decoder, ids, mask, count: int) -> torch.Tensor:
    tokens = [decoder.read(ids, mask).argmax(-1)]
    while len(tokens) < count:
        tokens.append(decoder.read(tokens[-1][:, None], torch.ones((len(ids), 1), dtype=torch.int64)).argmax(-1))
    return torch.stack(tokens, 1)


@pytest.mark.parametrize("family", families_for("text-generation"))
def test_every_family_says_what_eager_transformers_says(family):
    model = tiny_decoder(family)
    ids, mask = torch.randint(5, 100, (2, 11), generator=torch.Generator().manual_seed(1)), torch.ones(2, 11, dtype=torch.int64)
    ids[1, :4], mask[1, :4] = 0, 0
    expected = model.generate(ids, attention_mask=mask, max_new_tokens=16, min_new_tokens=16, do_sample=False)[:, 11:]
    sessions, buckets = export_graphs(model, "text-generation", SHAPES)
    forbidden = model.generation_config.eos_token_id
    with torch.no_grad():
        got = continue_greedily(open_decoder(sessions, buckets, 2, 27), ids, mask, 16)
    assert forbidden not in got  # else `min_new_tokens` would have changed a token, and the next line would compare nothing
    assert torch.equal(got, expected)


def test_states_are_named_by_layer_and_say_what_decides_their_size():
    model = tiny_decoder("llama")
    _, buckets = export_graphs(model, "text-generation", SHAPES[1:])
    names = [spec.name for spec in buckets[0].signature.states]
    assert names == [f"self.{layer}.{part}" for layer in (0, 1) for part in ("keys", "values")]
    assert buckets[0].signature.states[0].axes == ("rows", None, "sequence_length", None)
