"""Shapes by axis: what a graph is compiled for, and what a caller brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Sizes by axis name, in the task's order of axes."""

    axes: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, sizes: Mapping[str, int], order: Iterable[str] | None = None) -> Shape:
        """Build a shape, in the order given or in the mapping's own."""
        names = sizes if order is None else order
        return cls(tuple((name, sizes[name]) for name in names))

    def as_dict(self) -> dict[str, int]:
        """Sizes by axis name."""
        return dict(self.axes)

    @property
    def label(self) -> str:
        """A name fit for folders: `batch_size_1-sequence_length_64`."""
        return "-".join(f"{name}_{size}" for name, size in self.axes)

    def __str__(self) -> str:
        return ", ".join(f"{name}={size}" for name, size in self.axes)
