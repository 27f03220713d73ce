"""The cache of a generation, whatever graphs read into it: how many sequences it holds, and where the next tokens go."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

import torch

from neuronbuild.counts import counted
from neuronbuild.errors import InputError, ShapeError
from neuronbuild.runtime.states import States
from neuronbuild.tasks import all_sizes
from neuronbuild.tasks.table import ROWS, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.sessions import Sessions

Self = TypeVar("Self", bound="Conversation")


class Conversation(ABC):
    """The cache of `count` sequences in a graph of `rows`: `length` tokens of each were read, of `slots` there is room for.

    All rows stand at one slot. Not for several threads at once: each generation has its own.
    """

    def __init__(self, sessions: Sessions, buckets: Sequence[CompiledShape], index: int, count: int) -> None:
        sizes = all_sizes(buckets[index].shape.as_dict())
        self.sessions, self.buckets = sessions, buckets
        self.rows, self.slots, self.count, self.length = sizes[ROWS], sizes[SEQUENCE], count, 0
        self._states = States.blank(buckets[index].signature)

    @abstractmethod
    def reorder(self, order: torch.Tensor) -> None:
        """Have each sequence continue the one that `order` (count) names for it.

        Raises:
            InputError: `order` isn't one of these sequences for each.
        """

    @abstractmethod
    def derive(self: Self, order: torch.Tensor, slots: int) -> Self:
        """A cache apart with room for so many slots, whose sequences continue those that `order` names.

        Raises:
            InputError: `order` names a sequence that there isn't.
            ShapeError: no compiled shape is large enough.
        """

    def forget(self, tokens: int) -> None:
        """Take back the last so many tokens of every sequence.

        Raises:
            InputError: fewer were read.
        """
        if not 0 <= tokens <= self.length:
            raise InputError(f"{counted(tokens, 'token')} can't be taken back from a cache that holds {self.length}")
        self.length -= tokens

    def _refuse_overflow(self, ids: torch.Tensor) -> None:
        """Every write passes here: a graph that is given a slot outside its cache writes over other memory.

        Raises:
            InputError: `ids` (n, tokens) are of another number of sequences.
            ShapeError: they don't fit.
        """
        if len(ids) != self.count:
            raise InputError(f"{counted(len(ids), 'sequence was', 'sequences were')} given to a cache of {self.count}")
        if self.length + ids.shape[1] > self.slots:
            hint = "begin again without past_key_values, ask for fewer new tokens, or compile a larger shape"
            given = f"{counted(self.length + ids.shape[1], 'token')}, {self.length} of them read before"
            raise ShapeError(given, [f"sequence_length={self.slots}"], hint=hint)

    def _checked_order(self, order: torch.Tensor, count: int | None = None) -> torch.Tensor:
        """`order` as int64, once it is known to name sequences of this cache."""
        if not isinstance(order, torch.Tensor) or order.dim() != 1 or order.is_floating_point() or not order.numel():
            raise InputError("the order of a cache's sequences must be a tensor of integers, one a sequence")
        lowest, highest = (int(value) for value in order.aminmax())
        if lowest < 0 or highest >= self.count or len(order) != (count or len(order)):
            raise InputError(f"a cache of {counted(self.count, 'sequence')} can't be put in the order {order.tolist()}")
        return order.to(torch.int64)

    def _move(self, order: torch.Tensor, which: Sequence[int] | None = None) -> torch.Tensor:
        """Move what states hold from row to row, of all or of those with these numbers, and give the order of all rows."""
        whole = order[own_or_last(self.rows, len(order))]
        if not torch.equal(whole, own_or_last(self.rows, self.count)):
            tensors = self._states.tensors()
            for state in tensors if which is None else [tensors[index] for index in which]:
                state[:, :, : self.length] = state[whole, :, : self.length]
        return whole


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


def first_of_equals(rows: torch.Tensor) -> list[int]:
    """For each row, the first row that is the same."""
    same: dict[bytes, int] = {}
    return [same.setdefault(row.contiguous().view(torch.uint8).numpy().tobytes(), index) for index, row in enumerate(rows)]
