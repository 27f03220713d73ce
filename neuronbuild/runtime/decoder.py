"""Text generation, as far as it is tensors: prompts into a cache, chunk by chunk, then token by token.

Knows nothing of how a next token is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

from neuronbuild.counts import counted
from neuronbuild.errors import ShapeError
from neuronbuild.runtime.bucket import CALL, cover
from neuronbuild.runtime.conversation import Conversation, cheapest, first_of_equals, own_or_last
from neuronbuild.runtime.states import States
from neuronbuild.tasks import BATCH
from neuronbuild.tasks.table import DECODE_GRAPH, PREFILL, PREFILL_GRAPH, ROWS, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.sessions import Sessions


@final
class Decoder(Conversation):
    """A prompt and what follows it. Rows with shorter prompts begin later."""

    def __init__(self, sessions: Sessions, buckets: Sequence[CompiledShape], decode: int, count: int) -> None:
        super().__init__(sessions, buckets, decode, count)
        self._decode = decode
        self._prefills = _prefills(buckets, self.slots)
        self._ids, self._mask, self._positions = (torch.zeros((self.rows, self.slots), dtype=torch.int64) for _ in range(3))
        self._mask_changed = False

    def read(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, keep: int = 1) -> torch.Tensor:
        """Read tokens into the cache, and give the scores of what may follow each of the last `keep` of them.

        Args:
            ids: int64 of shape (count, tokens).
            mask: int64 of shape (count, length + tokens): ones for what may be looked at, of what was read before as well.
            positions: int64 of shape (count, tokens).
            keep: 1 to all tokens. Each but the first costs a call of the decode graph.

        Returns:
            Scores of shape (count, keep, vocabulary).

        Raises:
            InputError: these are of another number of sequences than the cache.
            ShapeError: the cache has no room for them.
        """
        self._refuse_overflow(ids)
        start, end, rows = self.length, self.length + ids.shape[1], own_or_last(self.rows, self.count)
        self._mask_changed |= not torch.equal(self._mask[:, :start], mask[rows, :start])
        self._mask[:, :end] = mask[rows]
        self._ids[:, start:end], self._positions[:, start:end] = ids[rows], positions[rows]
        scores = [self._read_until(until) for until in range(end - keep + 1, end + 1)]
        return torch.stack(scores, 1)[: self.count]

    def reorder(self, order: torch.Tensor) -> None:
        """Have each sequence continue the one that `order` names for it."""
        whole = self._move(self._checked_order(order, self.count))
        self._ids, self._mask, self._positions = self._ids[whole], self._mask[whole], self._positions[whole]

    def derive(self, order: torch.Tensor, slots: int) -> Decoder:
        """A cache apart with room for so many slots, whose sequences continue those that `order` names."""
        order = self._checked_order(order)
        made = open_decoder(self.sessions, self.buckets, len(order), slots)
        rows = order[own_or_last(made.rows, len(order))]
        for mine, state in zip(self._states.tensors(), made._states.tensors(), strict=True):  # noqa: SLF001 (its own kind)
            state[:, :, : self.length] = mine[rows, :, : self.length]
        for said, mine in zip(made._said(), self._said(), strict=True):  # noqa: SLF001
            said[:, : self.length] = mine[rows, : self.length]
        made.length, made._mask_changed = self.length, self._mask_changed  # noqa: SLF001
        return made

    def forget(self, tokens: int) -> None:
        """Take back the last so many tokens of every sequence."""
        super().forget(tokens)
        for said in self._said():
            said[:, self.length :] = 0

    def _said(self) -> list[torch.Tensor]:
        """What was said of every slot, (rows, slots) each; zeros where nothing was."""
        return [self._ids, self._mask, self._positions]

    def _read_until(self, end: int) -> torch.Tensor:
        """Read what comes before a slot, and give the scores (rows, vocabulary) of what may stand there.

        Prompts are read in chunks. A chunk may read tokens again, which says the same only while the mask does: once it
        was changed, tokens are read one by one.
        """
        if end - self.length > 1 and not self._mask_changed:
            scores = self._read_prompts(end)
        else:
            scores = [self._read_one(slot) for slot in range(self.length, end)][-1]
        self.length = end
        return scores

    def _read_one(self, slot: int) -> torch.Tensor:
        step = slice(slot, slot + 1)
        given = [self._ids[:, step].contiguous(), self._mask, self._positions[:, step].contiguous(), torch.tensor([slot])]
        return self._states.run(self.sessions.get(self._decode), given)[0]

    def _read_prompts(self, end: int) -> torch.Tensor:
        """Read group by group of rows; rows that say the same are computed once, and copied."""
        source = first_of_equals(torch.stack([said[:, :end] for said in self._said()], 1))
        distinct = sorted(set(source))
        batch = max((size for size in self._prefills if size <= len(distinct)), default=min(self._prefills))
        scores: dict[int, torch.Tensor] = {}
        for first in range(0, len(distinct), batch):
            group = distinct[first : first + batch]
            padded = group + group[-1:] * (batch - len(group))
            in_place = padded == list(range(self.rows))
            states = self._states if in_place else States([state[padded] for state in self._states.tensors()])
            scores |= zip(group, self._read_group(padded, states, end, batch), strict=False)
            if not in_place:
                for state, fresh in zip(self._states.tensors(), states.tensors(), strict=True):
                    state[group] = fresh[: len(group)]
        if len(distinct) < self.rows:
            for state in self._states.tensors():
                state[:, :, :end] = state[source, :, :end]
        return torch.stack([scores[row] for row in source])

    def _read_group(self, rows: list[int], states: States, end: int, batch: int) -> torch.Tensor:
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
            given = [self._ids[rows, chunk].contiguous(), self._mask[rows], self._positions[rows, chunk].contiguous()]
            ends = [torch.tensor([start]), torch.tensor([done - 1 - start])]
            scores = states.run(self.sessions.get(index), [*given, *ends])[0]
        return scores


def open_decoder(sessions: Sessions, buckets: Sequence[CompiledShape], rows: int, slots: int) -> Decoder:
    """An empty cache in the cheapest bucket for so many sequences, and tokens of each.

    Raises:
        ShapeError: none is large enough.
    """
    index = cheapest(buckets, DECODE_GRAPH, {ROWS: rows, SEQUENCE: slots})
    if index is None:
        compiled = [str(bucket.shape) for bucket in buckets if bucket.graph == DECODE_GRAPH]
        hint = "shorten the prompt, ask for fewer new tokens or sequences (beams count), or compile a larger shape"
        raise ShapeError(f"{counted(rows, 'sequence')} of {counted(slots, 'token')}, prompt and new ones", compiled, hint=hint)
    return Decoder(sessions, buckets, index, rows)


def _prefills(buckets: Sequence[CompiledShape], slots: int) -> dict[int, dict[int, int]]:
    """Chunk lengths by bucket, by batch size, of the prefill graphs over a cache of so many slots."""
    found: dict[int, dict[int, int]] = {}
    for index, bucket in enumerate(buckets):
        sizes = bucket.shape.as_dict()
        if bucket.graph == PREFILL_GRAPH and sizes[SEQUENCE] == slots:
            found.setdefault(sizes[BATCH], {})[index] = sizes[PREFILL]
    return found
