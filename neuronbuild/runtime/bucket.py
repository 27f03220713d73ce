"""Which compiled shapes to run inputs through: those that compute least, calls counted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neuronbuild.errors import ShapeError
from neuronbuild.tasks import BATCH, EXACT
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.artifact.shape import Shape

CALL = 64
"""What a call costs by itself, in elements of its inputs: small batches use a machine badly. Seven rows of 64 tokens run
faster as one padded batch of eight than as seven calls."""

Chunk = tuple[int, int]
"""Index of a shape, and how many rows of the batch it takes."""


def choose(shapes: Sequence[Shape], needed: Mapping[str, int], *, split: bool, exact: frozenset[str] = EXACT) -> list[Chunk]:
    """Cover the needed batch, in order, by shapes whose other axes all fit, the `exact` ones just so; one chunk unless `split`.

    Raises:
        ShapeError: nothing fits.
    """
    fitting = [index for index, shape in enumerate(shapes) if _fits(shape, needed, split=split, exact=exact)]
    if not fitting:
        raise _misfit(shapes, needed, split=split)
    costs = {index: CALL + math.prod(size for _, size in shapes[index].axes) for index in fitting}
    if not split:
        return [(min(fitting, key=costs.__getitem__), needed.get(BATCH, 1))]
    return cover(needed[BATCH], [(index, shapes[index].as_dict()[BATCH], costs[index]) for index in fitting])


def cover(rows: int, options: list[tuple[int, int, int]]) -> list[Chunk]:
    """The cheapest sequence of (index, rows taken), the largest first, by options of (index, most rows, cost).

    cost(n) is the best over all options of their cost and cost(n - rows).
    """
    best: list[tuple[int, Chunk]] = [(0, (0, 0))]
    for n in range(1, rows + 1):
        takes = [(index, min(batch, n), cost) for index, batch, cost in options]
        best.append(min((best[n - taken][0] + cost, (index, taken)) for index, taken, cost in takes))
    chunks = []
    while rows:
        chunk = best[rows][1]
        chunks.append(chunk)
        rows -= chunk[1]
    return sorted(chunks, key=lambda chunk: -chunk[1])


def cover_rows(lengths: Sequence[int], shapes: Sequence[Shape]) -> list[int]:
    """How many rows to run at a time, by rows' lengths from the longest to the shortest: the cheapest way through all of them.

    cost(n) is that of the rows from n on: the best over all shapes that row n fits of their cost and cost(n + rows).

    Raises:
        ShapeError: the longest row fits no shape.
    """
    sizes = [shape.as_dict() for shape in shapes]
    options = [(size[SEQUENCE], size[BATCH], CALL + size[SEQUENCE] * size[BATCH]) for size in sizes]
    if lengths and not any(length >= lengths[0] for length, _, _ in options):
        raise _misfit(shapes, {BATCH: 1, SEQUENCE: lengths[0]}, split=True)
    best: list[tuple[int, int]] = [(0, 0)] * (len(lengths) + 1)
    for n in reversed(range(len(lengths))):
        takes = [(min(batch, len(lengths) - n), cost) for longest, batch, cost in options if longest >= lengths[n]]
        best[n] = min((best[n + rows][0] + cost, rows) for rows, cost in takes)
    taken, n = [], 0
    while n < len(lengths):
        taken.append(best[n][1])
        n += taken[-1]
    return taken


def _fits(shape: Shape, needed: Mapping[str, int], *, split: bool, exact: frozenset[str] = EXACT) -> bool:
    return all(
        size == needed[axis] if axis in exact else size >= needed[axis]
        for axis, size in shape.axes
        if not (split and axis == BATCH)
    )


def _misfit(shapes: Sequence[Shape], needed: Mapping[str, int], *, split: bool) -> ShapeError:
    given = ", ".join(f"{axis}={size}" for axis, size in needed.items())
    smaller_batch = not split and any(_fits(shape, needed, split=True) for shape in shapes)
    pictures = {axis: size for axis, size in needed.items() if axis in EXACT}
    if pictures and not any(pictures.items() <= shape.as_dict().items() for shape in shapes):
        hint = "resize images to a compiled width and height (processor: size=...), or compile another"
    elif smaller_batch:
        hint = "compile a larger batch_size, or set dynamic_batch_size: true to have batches split"
    elif SEQUENCE in needed and needed[SEQUENCE] > max(shape.as_dict()[SEQUENCE] for shape in shapes):
        hint = "truncate the inputs (pipeline: truncation=True; tokenizer: max_length=... besides), or compile a larger shape"
    else:
        hint = "give smaller inputs, or compile a larger shape"
    return ShapeError(given, [str(shape) for shape in shapes], hint=hint)
