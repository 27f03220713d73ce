from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.runtime.decoder import open_decoder
from neuronbuild.tasks import families_for
from tests.tools.exported import export_graphs

COMMON = {
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 100,
}
OWN = {
    "gemma": {"head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "mistral": {"sliding_window": 6},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "qwen2": {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    "qwen3": {"head_dim": 8},
    "smollm3": {"num_hidden_layers": 4},
}
SHAPES = [
    ("prefill", {"batch_size": 2, "prefill_length": 8, "sequence_length": 32}),
    ("decode", {"batch_size": 2, "num_beams": 1, "sequence_length": 32}),
]


def tiny(family: str):
    torch.manual_seed(0)
    config = transformers.CONFIG_MAPPING[family](**COMMON | OWN.get(family, {}))
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def continue_greedily(decoder, ids, mask, count: int) -> torch.Tensor:
    tokens = [decoder.read(ids, mask).argmax(-1)]
    while len(tokens) < count:
        tokens.append(decoder.read(tokens[-1][:, None], torch.ones((len(ids), 1), dtype=torch.int64)).argmax(-1))
    return torch.stack(tokens, 1)


@pytest.mark.parametrize("family", families_for("text-generation"))
def test_every_family_says_what_eager_transformers_says(family):
    model = tiny(family)
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
    model = tiny("llama")
    _, buckets = export_graphs(model, "text-generation", SHAPES[1:])
    names = [spec.name for spec in buckets[0].signature.states]
    assert names == [f"self.{layer}.{part}" for layer in (0, 1) for part in ("keys", "values")]
    assert buckets[0].signature.states[0].axes == ("rows", None, "sequence_length", None)
