"""Text generation, as far as it is tensors: prompts into a cache, chunk by chunk, then token by token.

Knows nothing of how a next token is chosen.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.errors import ShapeError
from neuronbuild.runtime.bucket import CALL, cover
from neuronbuild.runtime.states import States
from neuronbuild.tasks import BATCH, all_sizes
from neuronbuild.tasks.table import DECODE_GRAPH, PREFILL, PREFILL_GRAPH, ROWS, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.sessions import Sessions


class Conversation(ABC):
    """Up to `rows` sequences: what they say so far, `length` tokens, is in a cache of `slots` tokens a row.

    All rows stand at one slot. Not for several threads at once: each generation has its own.
    """

    def __init__(self, rows: int, slots: int, states: States) -> None:
        self.rows, self.slots, self.length = rows, slots, 0
        self._states = states

    @abstractmethod
    def reorder(self, rows: torch.Tensor) -> None:
        """Have each row continue what another row has said so far."""

    def _reorder(self, rows: torch.Tensor, which: Sequence[int] | None = None) -> torch.Tensor:
        """Move what states hold from row to row, of all or of those with these numbers, and give the whole order."""
        order = torch.arange(self.rows)
        order[: len(rows)] = rows
        if not torch.equal(order, torch.arange(self.rows)):
            tensors = self._states.tensors()
            for state in tensors if which is None else [tensors[index] for index in which]:
                state[:, :, : self.length] = state[order, :, : self.length]
        return order


@final
class Decoder(Conversation):
    """A prompt and what follows it. Rows with shorter prompts begin later."""

    def __init__(self, sessions: Sessions, buckets: Sequence[CompiledShape], decode: int) -> None:
        sizes = all_sizes(buckets[decode].shape.as_dict())
        super().__init__(sizes[ROWS], sizes[SEQUENCE], States.blank(buckets[decode].signature))
        self._sessions = sessions
        self._decode = decode
        self._prefills = _prefills(buckets, self.slots)
        self._ids = torch.zeros((self.rows, self.slots), dtype=torch.int64)
        self._mask = torch.zeros((self.rows, self.slots), dtype=torch.int64)

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Read tokens (n, count) into the cache, and give the scores (n, vocabulary) of what may follow.

        `mask` (n, count) has ones for tokens; padding comes before them.
        """
        end = self.length + ids.shape[1]
        rows = own_or_last(self.rows, len(ids))
        self._ids[:, self.length : end] = ids[rows]
        self._mask[:, self.length : end] = mask[rows]
        positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        if ids.shape[1] == 1:
            step = slice(self.length, end)
            given = [self._ids[:, step].contiguous(), self._mask, positions[:, step].contiguous(), torch.tensor([self.length])]
            scores = self._states.run(self._sessions.get(self._decode), given)[0]
        else:
            scores = self._read_prompts(positions, end)
        self.length = end
        return scores[: len(ids)]

    def reorder(self, rows: torch.Tensor) -> None:
        """Have each row continue what another row has said so far."""
        order = self._reorder(rows)
        self._ids, self._mask = self._ids[order], self._mask[order]

    def _read_prompts(self, positions: torch.Tensor, end: int) -> torch.Tensor:
        """Read group by group of rows; rows that say the same are computed once, and copied."""
        source = _first_of_equals(torch.cat([self._ids[:, :end], self._mask[:, :end]], 1))
        distinct = sorted(set(source))
        batch = max((size for size in self._prefills if size <= len(distinct)), default=min(self._prefills))
        scores: dict[int, torch.Tensor] = {}
        for first in range(0, len(distinct), batch):
            group = distinct[first : first + batch]
            padded = group + group[-1:] * (batch - len(group))
            in_place = padded == list(range(self.rows))
            states = self._states if in_place else States([state[padded] for state in self._states.tensors()])
            scores |= zip(group, self._read_group(padded, positions[padded], states, end, batch), strict=False)
            if not in_place:
                for state, fresh in zip(self._states.tensors(), states.tensors(), strict=True):
                    state[group] = fresh[: len(group)]
        if len(distinct) < self.rows:
            for state in self._states.tensors():
                state[:, :, :end] = state[source, :, :end]
        return torch.stack([scores[row] for row in source])

    def _read_group(self, rows: list[int], positions: torch.Tensor, states: States, end: int, batch: int) -> torch.Tensor:
        """Scores (batch, vocabulary) after prompts, read in chunks by the cheapest sequence of buckets.

        Near the end of the cache a chunk begins earlier, over tokens that were read already: they come to the same.
        """
        lengths = self._prefills[batch]
        options = [(index, length, CALL + length) for index, length in lengths.items()]
        done, scores = self.length, torch.empty(0)
        for index, taken in cover(end - self.length, options):
            start = min(done, self.slots - lengths[index])
            chunk = slice(start, start + lengths[index])
            done += taken
            given = [self._ids[rows, chunk], self._mask[rows], positions[:, chunk].contiguous()]
            ends = [torch.tensor([start]), torch.tensor([done - 1 - start])]
            scores = states.run(self._sessions.get(index), [*given, *ends])[0]
        return scores


def open_decoder(sessions: Sessions, buckets: Sequence[CompiledShape], rows: int, slots: int) -> Decoder:
    """An empty cache in the cheapest bucket for so many rows, and tokens a row.

    Raises:
        ShapeError: none is large enough.
    """
    index = cheapest(buckets, DECODE_GRAPH, {ROWS: rows, SEQUENCE: slots})
    if index is None:
        compiled = [str(bucket.shape) for bucket in buckets if bucket.graph == DECODE_GRAPH]
        hint = "shorten the prompt, ask for fewer new tokens or sequences (beams count), or compile a larger shape"
        raise ShapeError(f"{rows} sequences of {slots} tokens, prompt and new ones", compiled, hint=hint)
    return Decoder(sessions, buckets, index)


def cheapest(buckets: Sequence[CompiledShape], graph: str, needed: Mapping[str, int]) -> int | None:
    """Index of the smallest bucket of a graph whose sizes are all as large as needed, or `None`."""
    fitting = {}
    for index, bucket in enumerate(buckets):
        sizes = all_sizes(bucket.shape.as_dict())
        if bucket.graph == graph and all(sizes[axis] >= size for axis, size in needed.items()):
            fitting[index] = math.prod(sizes.values())
    return min(fitting, key=fitting.__getitem__, default=None)


def own_or_last(rows: int, count: int) -> torch.Tensor:
    """For each row of a graph the index of its sequence; rows without one repeat the last.

    A row that attends to nothing would give NaN in some models.
    """
    return torch.arange(rows).clamp(max=count - 1)


def _prefills(buckets: Sequence[CompiledShape], slots: int) -> dict[int, dict[int, int]]:
    """Chunk lengths by bucket, by batch size, of the prefill graphs over a cache of so many slots."""
    found: dict[int, dict[int, int]] = {}
    for index, bucket in enumerate(buckets):
        sizes = bucket.shape.as_dict()
        if bucket.graph == PREFILL_GRAPH and sizes[SEQUENCE] == slots:
            found.setdefault(sizes[BATCH], {})[index] = sizes[PREFILL]
    return found


def _first_of_equals(rows: torch.Tensor) -> list[int]:
    """For each row, the first row that is the same."""
    same: dict[bytes, int] = {}
    return [same.setdefault(row.numpy().tobytes(), index) for index, row in enumerate(rows)]
