"""The known action that is most like a wanted one: the one with the fewest fields that differ.

Thousands are looked for at a time. Actions of one grid share all but graph and shape, so that grids are compared once, and
what is left is a look for the nearest shape in a grid, which goes by tables.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, final

from neuronbuild.digest import digest_json
from neuronbuild.plan.action import common_part
from neuronbuild.plan.explain import Difference, Nearest, comparable, find_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neuronbuild.artifact.action import CompileAction
    from neuronbuild.artifact.fields import Path
    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.action import KeyedAction

PARTS = ("model", "toolchain", "compiler", "weights", "dtype")
"""What grids of one model family are first compared by: it takes a microsecond."""

MOST_GRIDS = 100
"""Grids of one family that are compared in this way, the first that were given."""

CLOSEST = 8
"""Grids that are compared field by field: those that have the most parts in common."""


class KnownAction(NamedTuple):
    """What is needed of an action that is known: `common` as in `Action`, and its sizes by axis."""

    key: ActionKey
    common: str
    graph: str
    sizes: dict[str, int]


Group = tuple[str, ...]
"""Graph, task, platform and model family: what an action must share with another to be compared with it."""


@final
class NearestActions:
    """The known actions by what they have in common."""

    def __init__(self, actions: Iterable[KnownAction], commons: Mapping[str, CompileAction]) -> None:
        """`commons` are actions without a graph and a shape, for what those of a grid share, by its digest."""
        self._commons = commons
        self._grids: dict[tuple[str, str], _Grid] = {}
        self._groups: dict[Group, list[str]] = {}
        self._fields: dict[str, dict[Path, str]] = {}
        self._compared: dict[tuple[str, str], list[tuple[tuple[Difference, ...], _Grid]]] = {}
        for action in actions:
            grid = self._grids.get((action.common, action.graph))
            if grid is None:
                grid = self._grids[action.common, action.graph] = _Grid()
                self._groups.setdefault(_group(commons[action.common], action.graph), []).append(action.common)
            grid.actions.append(action)

    def find(self, action: KeyedAction) -> Nearest | None:
        """The one that differs from an action in the fewest fields; `None` where none of its family is known."""
        sizes = action.record.shape
        best: Nearest | None = None
        for shared, grid in self._closest_grids(action):
            fewest = len(shared) + (not grid.has(sizes))
            if fewest and (best is None or fewest < len(best.differences)):
                known = grid.nearest(sizes)
                differences = (*_size_differences(known.sizes, sizes), *shared)
                if best is None or len(differences) < len(best.differences):
                    best = Nearest(known.key, differences)
        return best

    def _closest_grids(self, action: KeyedAction) -> list[tuple[tuple[Difference, ...], _Grid]]:
        """The closest grids with what differs, the closest first; worked out once for all actions of a grid."""
        graph = action.record.graph
        place = action.common or digest_json(common_part(action.document)).sha256, graph
        if place not in self._compared:
            record = action.record
            group = self._groups.get(_group(record, graph), [])[:MOST_GRIDS]
            closest = sorted(group, key=lambda name: _parts_differing(self._commons[name], record))[:CLOSEST]
            wanted = comparable(common_part(record.document()))
            compared = [(find_differences(self._fields_of(name), wanted), self._grids[name, graph]) for name in closest]
            self._compared[place] = sorted(compared, key=lambda pair: len(pair[0]))
        return self._compared[place]

    def _fields_of(self, common: str) -> dict[Path, str]:
        if common not in self._fields:
            self._fields[common] = comparable(common_part(self._commons[common].document()))
        return self._fields[common]


@final
class _Grid:
    """The known actions of one grid, found by any of their sizes."""

    def __init__(self) -> None:
        self.actions: list[KnownAction] = []
        self._tables: dict[tuple[str, ...], dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]]] = {}

    def has(self, sizes: Mapping[str, int]) -> bool:
        """Whether an action of just these sizes is known."""
        return bool(self._near(tuple(sorted(sizes)), sizes))

    def nearest(self, sizes: Mapping[str, int]) -> KnownAction:
        """The one with the most sizes that are the same; of several such, one whose others are near."""
        axes = sorted(sizes)
        for count in range(len(axes), 0, -1):
            candidates = [index for kept in combinations(axes, count) for index in self._near(kept, sizes)]
            if candidates:
                return min((self.actions[index] for index in candidates), key=lambda known: _distance(known.sizes, sizes))
        return min(self.actions[:CLOSEST], key=lambda known: _distance(known.sizes, sizes))

    def _near(self, kept: tuple[str, ...], sizes: Mapping[str, int]) -> list[int]:
        """Those beside a shape among the ones that have some of its sizes, in the order of the others."""
        same = self._table(kept).get(tuple([sizes[axis] for axis in kept]), [])
        rest = tuple([sizes[axis] for axis in sorted(sizes) if axis not in kept])
        place = bisect_left(same, (rest, 0))
        return [index for _, index in same[max(0, place - 1) : place + 1]]

    def _table(self, kept: tuple[str, ...]) -> dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]]:
        """For each choice of some sizes, the other sizes of those that have them, in order. Made when it is asked for."""
        if kept not in self._tables:
            table = self._tables[kept] = {}
            for index, known in enumerate(self.actions):
                if known.sizes.keys() >= set(kept):
                    rest = tuple(known.sizes[axis] for axis in sorted(known.sizes) if axis not in kept)
                    table.setdefault(tuple(known.sizes[axis] for axis in kept), []).append((rest, index))
            for same in table.values():
                same.sort()
        return self._tables[kept]


def _distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """By how much the sizes of two shapes differ, as ratios."""
    pairs = ((one.get(axis, 1), other.get(axis, 1)) for axis in {*one, *other})
    return sum(max(pair) / min(pair) for pair in pairs)


def _size_differences(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[Difference, ...]:
    return tuple(
        Difference(("shape", axis), before.get(axis), after.get(axis))
        for axis in sorted({*before, *after})
        if before.get(axis) != after.get(axis)
    )


def _parts_differing(one: CompileAction, other: CompileAction) -> int:
    return sum(getattr(one, name) != getattr(other, name) for name in PARTS)


def _group(action: CompileAction, graph: str) -> Group:
    return graph, action.task, action.toolchain.platform, action.model.model_type
