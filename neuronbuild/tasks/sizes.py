"""Sizes that follow from a shape's axes and the model's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.tasks.audio import AUDIO, FRAMES
from neuronbuild.tasks.images import CHANNELS, HEIGHT, WIDTH
from neuronbuild.tasks.table import BATCH, BEAMS, INPUT_FRAMES, MEL_BINS, ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.tasks.table import Axes

RGB = 3
IMAGE_SIZE = 224
"""Of models whose config says none: nearly all were trained on this."""


def all_sizes(shape: Mapping[str, int], config: Mapping[str, object] | None = None) -> dict[str, int]:
    """A shape's sizes by axis, with those that follow from them, and from the model's config if it is given."""
    sizes = dict(shape)
    if BATCH in sizes and BEAMS in sizes:
        sizes[ROWS] = sizes[BATCH] * sizes[BEAMS]
    found = None if config is None or AUDIO not in sizes else frames(sizes[AUDIO], config)
    if found is not None:
        sizes[FRAMES] = found
    return sizes


def config_sizes(config: Mapping[str, object]) -> dict[str, int]:
    """Sizes of inputs that a model's config decides, by the names that the task table has for them."""
    part = config.get("vision_config")
    seen = part if isinstance(part, dict) else config
    stated = seen.get("image_size")
    height, width = stated if isinstance(stated, list | tuple) and len(stated) == 2 else (stated, stated)  # noqa: PLR2004
    sizes = {CHANNELS: _whole(seen.get("num_channels"), RGB), HEIGHT: _whole(height), WIDTH: _whole(width)}
    bins, positions, longest = (config.get(key) for key in ("num_mel_bins", "max_source_positions", "max_length"))
    if isinstance(bins, int):
        sizes[MEL_BINS] = bins
        if isinstance(positions, int):
            sizes[INPUT_FRAMES] = 2 * positions  # Whisper's second convolution halves the frames
        if isinstance(longest, int):
            sizes[AUDIO] = longest
    return sizes


def _whole(value: object, otherwise: int = IMAGE_SIZE) -> int:
    return value if type(value) is int and value > 0 else otherwise


def frames(samples: int, config: Mapping[str, object]) -> int | None:
    """How many frames a model's convolutions make of so many samples, 0 if none; `None` if it has no such layers."""
    kernels, strides = config.get("conv_kernel"), config.get("conv_stride")
    if not isinstance(kernels, list | tuple) or not isinstance(strides, list | tuple):
        return None
    layers = list(zip(kernels, strides, strict=False))
    if config.get("add_adapter"):
        layers += [(1, config.get("adapter_stride"))] * _whole(config.get("num_adapter_layers"), 0)
    for kernel, stride in layers:
        if type(kernel) is not int or type(stride) is not int or stride < 1:
            return None
        samples = max(0, (samples - kernel) // stride + 1)
    return samples


def dims(axes: Axes, sizes: Mapping[str, int]) -> list[int]:
    """The size of each dimension of an input.

    Raises:
        KeyError: a dimension's axis has no size.
    """
    return [axis if isinstance(axis, int) else sizes[str(axis)] for axis in axes]
