"""Graphs of models with an encoder and a decoder: `encoder` reads the whole input, `decoder` one token a row.

What the decoder's cross attention needs of the input is computed by the encoder graph, once, and handed to the decoder graph
as states that it only reads.
"""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from . import caches, graph, masks

CROSS = "cross"
HIDDEN = "last_hidden_state"


class EncoderGraph(graph.Graph):
    """Hidden states of the input, and keys and values of every cross attention over it."""

    def __init__(self, model: torch.nn.Module, action: dict) -> None:
        super().__init__(model, action)
        self.wanted = [HIDDEN, *caches.names(CROSS, decoder_layers(model))]

    def run(self, given: dict) -> dict:
        """The decoder reads one token, whose score nobody asks for: so each attention writes its keys and values."""
        hidden = self.model.get_encoder()(**given, return_dict=True)[HIDDEN]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        first = torch.zeros((hidden.shape[0], 1), dtype=torch.int64)
        mask = given.get("attention_mask")
        self.model(
            encoder_outputs=(hidden,), attention_mask=mask, decoder_input_ids=first, past_key_values=cache, use_cache=True
        )
        layers = cache.cross_attention_cache.layers
        tensors = [tensor for layer in layers for tensor in (layer.keys, layer.values)]
        return {HIDDEN: hidden, **dict(zip(self.wanted[1:], tensors))}


class DecoderGraph(graph.Graph):
    """Scores (rows, vocabulary) of what may follow a token, over a cache of what came before it."""

    def __init__(self, model: torch.nn.Module, action: dict) -> None:
        super().__init__(model, action)
        self.rows = action["inputs"][0]["shape"][0]
        self.dtype = graph.weight_dtype(action)
        shapes = {entry["name"]: entry["shape"] for entry in action["inputs"]}
        source = shapes["attention_mask"][1] if "attention_mask" in shapes else model.config.max_source_positions
        slots = {caches.SELF: action["shape"]["sequence_length"], CROSS: source}
        heads, size = head_shape(model)
        layers = decoder_layers(model)
        self.states = {name: (self.rows, heads, slots[kind], size) for kind in slots for name in caches.names(kind, layers)}

    def run(self, given: dict) -> dict:
        """Scores, and the cache updated."""
        read = caches.open_cache(given, CROSS, torch.tensor([0]))
        cache = EncoderDecoderCache(caches.open_cache(given, caches.SELF, given["cache_start"]), read)
        cache.is_updated = dict.fromkeys(range(len(read.layers)), True)
        source = read.layers[0].keys.shape[2]
        more = {}
        if masks.written_out(self.action):
            slots = torch.ones((self.rows, cache.self_attention_cache.layers[0].keys.shape[2]), dtype=torch.int64)
            more = masks.positions(self.model, given["cache_start"], 1)
            more["decoder_attention_mask"] = masks.causal(None, slots, given["cache_start"], 1, self.dtype)
        out = self.model(
            encoder_outputs=(torch.zeros((self.rows, source, self.model.config.hidden_size), dtype=self.dtype),),
            attention_mask=given.get("attention_mask"),
            decoder_input_ids=given["decoder_input_ids"],
            **more,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )
        return {"logits": out.logits[:, -1]}

    def example(self, seed: int) -> tuple:
        """A token amid a sequence: what came before is noise, and so is what the encoder said."""
        generator = torch.Generator().manual_seed(seed)
        inputs = dict(zip(self.input_names, graph.example_inputs(self.action, seed)))
        inputs["cache_start"] = torch.tensor([min(3, self.action["shape"]["sequence_length"] - 1)])
        states = [0.5 * torch.randn(shape, generator=generator) for shape in self.states.values()]
        return (*inputs.values(), *(state.to(self.dtype) for state in states))


def decoder_layers(model: torch.nn.Module) -> int:
    """Number of layers of the decoder."""
    config = model.config
    return getattr(config, "decoder_layers", None) or getattr(config, "num_decoder_layers", None) or config.num_layers


def head_shape(model: torch.nn.Module) -> tuple:
    """Number of heads of the decoder's attention, and the size of one."""
    config = model.config
    heads = getattr(config, "decoder_attention_heads", None) or config.num_heads
    return heads, getattr(config, "d_kv", None) or config.d_model // heads
