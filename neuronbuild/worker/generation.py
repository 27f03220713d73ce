"""Graphs of text generation: `prefill` reads a chunk of a prompt into the cache, `decode` one token a row.

Both are the same function of tokens, their positions, the slots of the cache that may be looked at, and the cache.
"""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicCache

from . import caches, graph, masks
from .probes import Probe

CHUNK = 3
"""Slots of the example inputs that hold something already, so that a graph that ignored the cache would show in the check."""

PREFIX = 6
"""Tokens that a probe of `decode` finds in the cache, where there is room for them."""

DISTINCT = 3
"""Rows of a probe that hold tokens of their own; further rows repeat them, since each takes a call of eager PyTorch."""


class CausalGraph(graph.Graph):
    """A decoder with its cache apart: logits (rows, vocabulary) of what may follow."""

    def __init__(self, model: torch.nn.Module, action: dict) -> None:
        super().__init__(model, action)
        ids, mask = (entry["shape"] for entry in action["inputs"][:2])
        self.rows, self.length, self.slots = ids[0], ids[1], mask[1]
        self.states = caches.cache_layout(model, self.rows, self.slots)
        self.chunked = "last_token" in self.input_names
        self.output_names = ["logits"]

    def run(self, given: dict) -> dict:
        """Scores, and the cache updated."""
        mask, start, length = given["attention_mask"], given["cache_start"], given["input_ids"].shape[1]
        more = {}
        if masks.written_out(self.action):
            mask = masks.causal(self.model.config, mask, start, length, self.dtype)
            more = masks.positions(self.model, start, length)
        out = self.model(
            input_ids=given["input_ids"],
            attention_mask=mask,
            position_ids=given["position_ids"],
            **more,
            past_key_values=caches.open_cache(given, caches.SELF, given["cache_start"]),
            use_cache=True,
            logits_to_keep=given.get("last_token", 1),
            return_dict=True,
        )
        return {"logits": out.logits[:, 0]}

    def example(self, seed: int) -> tuple:
        """Tokens amid a sequence: the last row is padded on the left, and the chunk isn't full where it can be less."""
        generator = torch.Generator().manual_seed(seed)
        batch, length, slots = self.rows, self.length, self.slots
        start, read = min(CHUNK, slots - length), max(1, length - 2)
        mask = torch.zeros((batch, slots), dtype=torch.int64)
        mask[:, : start + read] = 1
        mask[-1, : min(2, start + read - 1)] = 0
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, start : start + length].contiguous()
        vocabulary = graph.vocabulary(self.action["model"]["config"])
        ids = torch.randint(min(5, vocabulary - 1), vocabulary, (batch, length), generator=generator)
        given = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "cache_start": torch.tensor([start]),
            "last_token": torch.tensor([read - 1]),
        }
        states = [0.5 * torch.randn(shape, generator=generator) for shape in self.states.values()]
        return (*(given[name] for name in self.input_names), *(state.to(self.dtype) for state in states))

    def probes(self, seed: int):
        """The first slots, in several chunks where tokens come in chunks; the middle; and the last slots and positions.

        Rows but the first are padded on the left. A row of few tokens stands at the highest positions, since eager PyTorch
        would take long for a whole one: positions are inputs, and both are given the same.
        """
        generator = torch.Generator().manual_seed(seed)
        if self.chunked:
            end = min(self.slots, self.length + max(1, self.length // 2))
            spans = {"in a prompt of several chunks": (0, end), "at the last slots": (self.slots - self.length, self.slots)}
        else:
            ends = {"at the first slot": 1, "amid the cache": max(1, self.slots // 2), "at the last slot": self.slots}
            spans = {where: (max(0, end - 1 - PREFIX), end) for where, end in ends.items()}
        for where, (first, end) in spans.items():
            yield self._probe(where, first, end, generator)

    def _probe(self, where: str, first: int, end: int, generator: torch.Generator) -> Probe:
        """Rows whose tokens stand in the slots from `first` to `end`, at the positions of these numbers.

        The cache holds all tokens but the last before a graph reads one token, and none before it reads chunks.
        """
        vocabulary = graph.vocabulary(self.action["model"]["config"])
        distinct = min(self.rows, DISTINCT)
        ids = torch.randint(min(5, vocabulary - 1), vocabulary, (distinct, end - first), generator=generator)
        starts = [first + min(2 * row, end - first - 1) for row in range(distinct)]
        said = [self._said(row[start - first :], first) for row, start in zip(ids, starts)]
        states = {name: torch.zeros(shape) for name, shape in self.states.items()}
        tokens, mask, positions = (torch.zeros((self.rows, self.slots), dtype=torch.int64) for _ in range(3))
        expected = []
        for row in range(self.rows):
            own = row % distinct
            start, (logits, kept) = starts[own], said[own]
            tokens[row, start:end], mask[row, start:end] = ids[own, start - first :], 1
            positions[row, start:end] = torch.arange(first, first + end - start)
            expected.append(("logits", row, logits))
            for name, tensor in zip(self.states, kept):
                expected.append((name, (row, slice(None), slice(start, end)), tensor))
                if not self.chunked:
                    states[name][row, :, start : end - 1] = tensor[:, :-1]
        begins = range(first, end, self.length) if self.chunked else [end - 1]
        calls = [self._call(min(begin, self.slots - self.length), end, tokens, mask, positions) for begin in begins]
        return Probe(where, calls, expected, tuple(states.values()))

    def _call(self, start: int, end: int, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> tuple:
        """Inputs that read the tokens from a slot on, of those before the slot `end`."""
        chunk = slice(start, start + self.length)
        given = {
            "input_ids": tokens[:, chunk].contiguous(),
            "attention_mask": mask,
            "position_ids": positions[:, chunk].contiguous(),
            "cache_start": torch.tensor([start]),
            "last_token": torch.tensor([min(end - start, self.length) - 1]),
        }
        return tuple(given[name] for name in self.input_names)

    def _said(self, ids: torch.Tensor, position: int) -> tuple:
        """What eager PyTorch gives for tokens (n,) from a position on.

        Those are logits (vocabulary,), and keys and values (heads, n, size) of each layer.
        """
        cache = DynamicCache()
        positions = torch.arange(position, position + len(ids))[None]
        out = self.model(input_ids=ids[None], position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1], [tensor[0] for layer in cache.layers for tensor in (layer.keys, layer.values)]
