"""Sizes that follow from a shape's axes and the model's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.tasks.table import BATCH, BEAMS, INPUT_FRAMES, MEL_BINS, ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.tasks.table import Axes


def all_sizes(shape: Mapping[str, int]) -> dict[str, int]:
    """A shape's sizes by axis, with those that follow from them."""
    sizes = dict(shape)
    if BATCH in sizes and BEAMS in sizes:
        sizes[ROWS] = sizes[BATCH] * sizes[BEAMS]
    return sizes


def config_sizes(config: Mapping[str, object]) -> dict[str, int]:
    """Sizes of inputs that a model's config decides, by the names that the task table has for them."""
    bins, positions = config.get("num_mel_bins"), config.get("max_source_positions")
    if not isinstance(bins, int) or not isinstance(positions, int):
        return {}
    return {MEL_BINS: bins, INPUT_FRAMES: 2 * positions}  # Whisper's second convolution halves the frames


def dims(axes: Axes, sizes: Mapping[str, int]) -> list[int]:
    """The size of each dimension of an input.

    Raises:
        KeyError: a dimension's axis has no size.
    """
    return [axis if isinstance(axis, int) else sizes[str(axis)] for axis in axes]
