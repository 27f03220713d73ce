"""Graphs of models with an encoder and a decoder: `encoder` reads the whole input, `decoder` one token a row.

What the decoder's cross attention needs of the input is computed by the encoder graph, once, and handed to the decoder graph
as states that it only reads.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from . import caches, graph, masks
from .contract import Action
from .graph import Named
from .probes import Expected, Probe

CROSS = "cross"
HIDDEN = "last_hidden_state"

DISTINCT = 2
"""Rows of a probe of the decoder that hold an answer of their own; further rows repeat them, since eager PyTorch scores every
token of each: 448 tokens of 51,865 words (Whisper) are 93 MB a row.
"""


class EncoderGraph(graph.Graph):
    """Hidden states of the input, and keys and values of every cross attention over it."""

    def __init__(self, model: torch.nn.Module, action: Action) -> None:
        super().__init__(model, action)
        self.wanted = [HIDDEN, *caches.names(CROSS, decoder_layers(model))]

    def run(self, given: Named) -> Named:
        """The decoder reads one token, whose score nobody asks for: so each attention writes its keys and values."""
        hidden = self.model.get_encoder()(**given, return_dict=True)[HIDDEN]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        first = torch.zeros((hidden.shape[0], 1), dtype=torch.int64, device=hidden.device)
        mask = given.get("attention_mask")
        self.model(
            encoder_outputs=(hidden,), attention_mask=mask, decoder_input_ids=first, past_key_values=cache, use_cache=True
        )
        layers = cache.cross_attention_cache.layers
        tensors = [tensor for layer in layers for tensor in (layer.keys, layer.values)]
        return {HIDDEN: hidden, **dict(zip(self.wanted[1:], tensors))}


class DecoderGraph(graph.Graph):
    """Scores (rows, vocabulary) of what may follow a token, over a cache of what came before it."""

    def __init__(self, model: torch.nn.Module, action: Action) -> None:
        super().__init__(model, action)
        self.rows = action["inputs"][0]["shape"][0]
        shapes = {entry["name"]: entry["shape"] for entry in action["inputs"]}
        source = shapes["attention_mask"][1] if "attention_mask" in shapes else model.config.max_source_positions
        slots = {caches.SELF: action["shape"]["sequence_length"], CROSS: source}
        heads, size = head_shape(model)
        layers = decoder_layers(model)
        self.states = {name: (self.rows, heads, slots[kind], size) for kind in slots for name in caches.names(kind, layers)}
        self.slots, self.source = slots[caches.SELF], source
        self.output_names = ["logits"]

    def run(self, given: Named) -> Named:
        """Scores, and the cache updated."""
        start = given["cache_start"]
        read = caches.open_cache(given, CROSS, self.source)  # full, and so nothing is written into it
        cache = EncoderDecoderCache(caches.open_cache(given, caches.SELF, start), read)
        more: Named = {}
        if masks.written_out(self.action):
            slots = start.new_ones((self.rows, self.slots))
            more = masks.positions(self.model, start, 1)
            more["decoder_attention_mask"] = masks.causal(None, slots, start, 1, self.dtype)
        out = self.model(
            encoder_outputs=(start.new_zeros((self.rows, self.source, self.model.config.hidden_size), dtype=self.dtype),),
            attention_mask=given.get("attention_mask"),
            decoder_input_ids=given["decoder_input_ids"],
            **more,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )
        return {"logits": out.logits[:, -1]}

    def example(self, seed: int) -> tuple[torch.Tensor, ...]:
        """A token amid a sequence: what came before is noise, and so is what the encoder said."""
        generator = torch.Generator().manual_seed(seed)
        inputs = dict(zip(self.input_names, graph.example_inputs(self.action, seed)))
        inputs["decoder_input_ids"] = self._tokens((self.rows, 1), generator)
        inputs["cache_start"] = torch.tensor([min(3, self.action["shape"]["sequence_length"] - 1)], device="cpu")
        states = [0.5 * torch.randn(shape, generator=generator, device="cpu") for shape in self.states.values()]
        return (*inputs.values(), *(state.to(self.dtype) for state in states))

    def probes(self, seed: int) -> Iterator[Probe]:
        """The first, a middle and the last token of answers as long as the cache.

        Where a graph takes a mask, answers are to inputs without padding and padded on either side, which small batches take
        several calls for.
        """
        generator = torch.Generator().manual_seed(seed)
        rows = min(self.rows, DISTINCT)
        order = torch.arange(self.rows, device="cpu") % rows
        for call in range(-(-len(graph.PADDINGS) // rows) if graph.MASK in self.input_names else 1):
            hidden = torch.randn((rows, self.source, self.model.config.hidden_size), generator=generator, device="cpu")
            mask, ids = graph.padded_mask([rows, self.source], call), self._tokens((rows, self.slots), generator)
            logits, kept = self._said(hidden, mask, ids)
            for where, slot in (
                ("at the first token", 0),
                ("amid the answer", self.slots // 2),
                ("at the last token", self.slots - 1),
            ):
                before = {name: _until(slot, name, tensor[order]) for name, tensor in kept.items()}
                after: list[Expected] = [(name, (), _until(slot + 1, name, tensor[order])) for name, tensor in kept.items()]
                given = {"decoder_input_ids": ids[order, slot : slot + 1], graph.MASK: mask[order]}
                given["cache_start"] = torch.tensor([slot], device="cpu")
                inputs = tuple(given[name] for name in self.input_names)
                states = tuple(before[name] for name in self.states)
                yield Probe(where, [inputs], [("logits", (), logits[order, slot]), *after], states)

    def _tokens(self, shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
        """Ids of the decoder's own table: Marian may have another one for what its encoder reads."""
        vocabulary = len(self.model.get_decoder().get_input_embeddings().weight)
        return torch.randint(min(5, vocabulary - 1), vocabulary, shape, generator=generator, device="cpu")

    def _said(self, hidden: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, Named]:
        """What eager PyTorch gives for whole answers (rows, tokens): logits, and keys and values by the names of the states."""
        given = {"attention_mask": mask} if "attention_mask" in self.input_names else {}
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        out = self.model(
            encoder_outputs=(hidden.to(self.model.dtype),),
            decoder_input_ids=ids,
            past_key_values=cache,
            use_cache=True,
            **given,
        )
        layers = {caches.SELF: cache.self_attention_cache.layers, CROSS: cache.cross_attention_cache.layers}
        tensors = {kind: [each for layer in layers[kind] for each in (layer.keys, layer.values)] for kind in layers}
        names = {kind: caches.names(kind, len(layers[kind])) for kind in layers}
        return out.logits, {name: tensor for kind in layers for name, tensor in zip(names[kind], tensors[kind])}


def _until(slot: int, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A state of which the answer has filled the slots before one; what the encoder said is there from the beginning."""
    filled = tensor.clone()
    if not name.startswith(CROSS):
        filled[:, :, slot:] = 0
    return filled


def decoder_layers(model: torch.nn.Module) -> int:
    """Number of layers of the decoder."""
    config = model.config
    return int(getattr(config, "decoder_layers", None) or getattr(config, "num_decoder_layers", None) or config.num_layers)


def head_shape(model: torch.nn.Module) -> tuple[int, int]:
    """Number of heads of the decoder's attention, and the size of one."""
    config = model.config
    heads = getattr(config, "decoder_attention_heads", None) or config.num_heads
    return heads, getattr(config, "d_kv", None) or config.d_model // heads
