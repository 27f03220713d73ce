"""Tiny models of every family of text, made from configs."""

from __future__ import annotations

import torch
import transformers

OWN_ENCODER = {
    "albert": {"embedding_size": 16, "num_hidden_groups": 1},
    "convbert": {"embedding_size": 32, "head_ratio": 1, "conv_kernel_size": 3},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "electra": {"embedding_size": 16},
    "esm": {"pad_token_id": 1, "mask_token_id": 4, "position_embedding_type": "absolute"},
    "flaubert": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "n_words": 120},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16, "num_feedforward_networks": 1},
    "modernbert": {"global_attn_every_n_layers": 1, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
    "roformer": {"embedding_size": 32},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "n_words": 120},
}
"""What families of encoders need besides `tests.conftest.SIZES`."""

DECODER = {
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
OWN_DECODER = {
    "gemma": {"head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "mistral": {"sliding_window": 6},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "qwen2": {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    "qwen3": {"head_dim": 8},
    "smollm3": {"num_hidden_layers": 4},
}
ANSWERER = {
    "vocab_size": 101,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
T5 = {"vocab_size": 101, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
WHISPER = {"num_mel_bins": 8, "max_source_positions": 20, "max_target_positions": 40}
OWN_ANSWERER = {"t5": T5, "mt5": T5 | {"feed_forward_proj": "gated-gelu"}, "whisper": ANSWERER | WHISPER}


def tiny_decoder(family: str, **own):
    """A decoder with random weights; `own` are values of its config."""
    torch.manual_seed(0)
    config = transformers.CONFIG_MAPPING[family](**DECODER | OWN_DECODER.get(family, {}) | own)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def tiny_answerer(family: str, **own):
    """An encoder and decoder with random weights; `own` are values of its config."""
    torch.manual_seed(0)
    values = OWN_ANSWERER.get(family, ANSWERER | {"max_position_embeddings": 40})
    config = transformers.CONFIG_MAPPING[family](**values | own)
    auto = transformers.AutoModelForSpeechSeq2Seq if family == "whisper" else transformers.AutoModelForSeq2SeqLM
    return auto.from_config(config, attn_implementation="sdpa").eval()
