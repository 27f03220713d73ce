"""Tiny models in GGUF files, as the format's own library writes them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy
from gguf import GGUFWriter

WORDS = ["<unk>", "<s>", "</s>", *(chr(c) for c in range(97, 123)), "Ġ", "th", "Ġthe"]
HIDDEN, HEADS, LAYERS, INNER = 32, 2, 2, 64


def write_llama(path: Path, *, tied: bool = True, seed: int = 0, architecture: str = "llama", eos: int = 2) -> Path:
    """A Llama of two layers with random weights and a vocabulary of letters; weights in Q8_0 where that can be.

    `eos` is the id of the token that ends a text.
    """
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(64)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_embedding_length(HIDDEN)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(WORDS)
    writer.add_token_types([2, 3, 3, *[1] * (len(WORDS) - 3)])
    writer.add_token_merges(["t h", "Ġ th", "Ġth e"][:1])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(eos)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    random = numpy.random.default_rng(seed)
    for name, shape in _tensors(tied=tied):
        values = (random.standard_normal(shape) * 0.1 + (1 if len(shape) == 1 else 0)).astype(numpy.float32)
        _add(writer, name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(*, tied: bool):
    yield "token_embd.weight", (len(WORDS), HIDDEN)
    yield "output_norm.weight", (HIDDEN,)
    if not tied:
        yield "output.weight", (len(WORDS), HIDDEN)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"{block}{name}.weight", (HIDDEN, HIDDEN)
        yield f"{block}ffn_gate.weight", (INNER, HIDDEN)
        yield f"{block}ffn_up.weight", (INNER, HIDDEN)
        yield f"{block}ffn_down.weight", (HIDDEN, INNER)
        yield f"{block}attn_norm.weight", (HIDDEN,)
        yield f"{block}ffn_norm.weight", (HIDDEN,)


def _add(writer: GGUFWriter, name: str, values: numpy.ndarray) -> None:
    if values.ndim == 1:
        writer.add_tensor(name, values)
    else:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
