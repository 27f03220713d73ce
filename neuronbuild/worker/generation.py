"""Graphs of text generation: `prefill` reads a chunk of a prompt into the cache, `decode` one token a row.

Both are the same function of tokens, their positions, the slots of the cache that may be looked at, and the cache.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator

import torch
from transformers.cache_utils import DynamicCache

from . import caches, graph, masks
from .contract import Action
from .graph import Named
from .probes import Expected, Probe

CHUNK = 3
"""Slots of the example inputs that hold something already, so that a graph that ignored the cache would show in the check."""

PREFIX = 6
"""Tokens of which a probe finds keys and values in the cache. Each is spread over its part of the slots: eager PyTorch would
take long to read thousands, and of many that are alike it would hardly show which are looked at.
"""

PADDED = 3
"""Slots of padding before the first row of a probe whose tokens' positions aren't their slots."""

DISTINCT = 3
"""Rows of a probe that hold tokens of their own; further rows repeat them, since each takes a call of eager PyTorch."""


class CausalGraph(graph.Graph):
    """A decoder with its cache apart: logits (rows, vocabulary) of what may follow."""

    def __init__(self, model: torch.nn.Module, action: Action) -> None:
        super().__init__(model, action)
        ids, mask = (entry["shape"] for entry in action["inputs"][:2])
        self.rows, self.length, self.slots = ids[0], ids[1], mask[1]
        self.states = caches.cache_layout(model, self.rows, self.slots)
        self.chunked = "last_token" in self.input_names
        self.output_names = ["logits"]
        # OPT scores every token up to some versions of transformers, and drops the wish without a word
        self.chooses = "logits_to_keep" in inspect.signature(model.forward).parameters

    def run(self, given: Named) -> Named:
        """Scores, and the cache updated."""
        mask, start, length = given["attention_mask"], given["cache_start"], given["input_ids"].shape[1]
        more: Named = {}
        last = given.get("last_token", 1)
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
            **({"logits_to_keep": last} if self.chooses else {}),
            return_dict=True,
        )
        logits = out.logits if self.chooses or not self.chunked else out.logits.index_select(1, last)
        return {"logits": logits[:, 0]}

    def example(self, seed: int) -> tuple[torch.Tensor, ...]:
        """Tokens amid a sequence: the last row is padded on the left, and the chunk isn't full where it can be less."""
        generator = torch.Generator().manual_seed(seed)
        batch, length, slots = self.rows, self.length, self.slots
        start, read = min(CHUNK, slots - length), max(1, length - 2)
        mask = torch.zeros((batch, slots), dtype=torch.int64, device="cpu")
        mask[:, : start + read] = 1
        mask[-1, : min(2, start + read - 1)] = 0
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, start : start + length].contiguous()
        vocabulary = graph.vocabulary(self.action["model"]["config"])
        ids = torch.randint(min(5, vocabulary - 1), vocabulary, (batch, length), generator=generator, device="cpu")
        given = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "cache_start": torch.tensor([start], device="cpu"),
            "last_token": torch.tensor([read - 1], device="cpu"),
        }
        states = [0.5 * torch.randn(shape, generator=generator, device="cpu") for shape in self.states.values()]
        return (*(given[name] for name in self.input_names), *(state.to(self.dtype) for state in states))

    def probes(self, seed: int) -> Iterator[Probe]:
        """The first slots, in several chunks where tokens come in chunks; the middle; and the last slots and positions.

        All slots before are full, so that a window shows wherever it ends. Rows but the first are padded on the left, and in
        one probe the first is as well: there a token's position isn't its slot.
        """
        generator = torch.Generator().manual_seed(seed)
        if self.chunked:
            end = min(self.slots, self.length + max(1, self.length // 2))
            yield self._probe("in a prompt of several chunks", (0, end), PADDED, generator)
            yield self._probe("at the last slots", (self.slots - self.length, self.slots), 0, generator)
            return
        yield self._probe("at the first slot", (0, 1), 0, generator)
        yield self._probe("amid the cache", (self.slots // 2, self.slots // 2 + 1), PADDED, generator)
        yield self._probe("at the last slot", (self.slots - 1, self.slots), 0, generator)

    def _probe(self, where: str, span: tuple[int, int], padded: int, generator: torch.Generator) -> Probe:
        """A graph reads the slots of a span. The first row begins after so many slots of padding, each further one later."""
        first, end = span
        distinct = min(self.rows, DISTINCT)
        said = [self._said(min(padded + 2 * row, end - 1), first, end, generator) for row in range(distinct)]
        states = {name: torch.zeros(shape, device="cpu") for name, shape in self.states.items()}
        tokens, mask, positions = (torch.zeros((self.rows, self.slots), dtype=torch.int64, device="cpu") for _ in range(3))
        expected: list[Expected] = []
        for row in range(self.rows):
            own = said[row % distinct]
            old, new = slice(own.start, own.begin), slice(own.begin, end)
            tokens[row, new], mask[row, own.start : end] = own.ids, 1
            positions[row, new] = torch.arange(own.begin, end, device="cpu") - own.start
            expected.append(("logits", row, own.logits))
            for index, (name, state) in enumerate(states.items()):
                if own.few:
                    state[row, :, old] = _spread(own.few[index], own.begin - own.start)
                    expected.append((name, (row, slice(None), old), state[row, :, old]))
                expected.append((name, (row, slice(None), new), own.kept[index]))
        calls = [
            self._call(min(begin, self.slots - self.length), end, tokens, mask, positions)
            for begin in range(first, end, self.length)
        ]
        return Probe(where, calls, expected, tuple(states.values()))

    def _call(
        self, start: int, end: int, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Inputs that read the tokens from a slot on, of those before the slot `end`."""
        chunk = slice(start, start + self.length)
        given = {
            "input_ids": tokens[:, chunk].contiguous(),
            "attention_mask": mask,
            "position_ids": positions[:, chunk].contiguous(),
            "cache_start": torch.tensor([start], device="cpu"),
            "last_token": torch.tensor([min(end - start, self.length) - 1], device="cpu"),
        }
        return tuple(given[name] for name in self.input_names)

    def _said(self, start: int, first: int, end: int, generator: torch.Generator) -> Row:
        """What eager PyTorch gives for a row from the slot `start` on, of which a graph reads the slots `first` to `end`."""
        begin, vocabulary = max(start, first), graph.vocabulary(self.action["model"]["config"])
        words = torch.randint(min(5, vocabulary - 1), vocabulary, (PREFIX + end - begin,), generator=generator, device="cpu")
        few: list[torch.Tensor] = []
        cache = DynamicCache()
        if begin > start:
            _, few = self._read(words[: min(PREFIX, begin - start)], 0, DynamicCache())
            for layer, (keys, values) in enumerate(zip(few[::2], few[1::2])):
                cache.update(_spread(keys, begin - start)[None], _spread(values, begin - start)[None], layer)
        logits, kept = self._read(words[PREFIX:], begin - start, cache)
        return Row(start, begin, words[PREFIX:], few, logits, [tensor[:, begin - start :] for tensor in kept])

    def _read(self, ids: torch.Tensor, position: int, cache: DynamicCache) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (vocabulary,) after tokens (n,) from a position on, and what the cache holds then."""
        positions = torch.arange(position, position + len(ids), device="cpu")[None]
        out = self.model(input_ids=ids[None], position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1], [tensor[0] for layer in cache.layers for tensor in (layer.keys, layer.values)]


class Row(typing.NamedTuple):
    """A row of a probe: its first slot, the first that a graph reads, the tokens there, and what eager PyTorch gives.

    Each layer's keys and values (heads, n, size) are `few` for what stands before, which is spread over all slots there, and
    `kept` for the tokens.
    """

    start: int
    begin: int
    ids: torch.Tensor
    few: list[torch.Tensor]
    logits: torch.Tensor
    kept: list[torch.Tensor]


def _spread(few: torch.Tensor, slots: int) -> torch.Tensor:
    """Keys or values (heads, n, size) of some tokens, each over its part of so many slots."""
    return few[:, torch.arange(slots, device=few.device) * few.shape[1] // slots]
