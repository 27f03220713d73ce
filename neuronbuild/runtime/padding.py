"""Inputs up to the compiled shape, outputs back to the given one; and who would rather have an error than that."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

from neuronbuild.files import parse_json, read_plain
from neuronbuild.tasks.audio import AUDIO
from neuronbuild.tasks.table import MASK, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from neuronbuild.artifact.signature import TensorSpec

LENGTHS = frozenset({SEQUENCE, AUDIO})
"""Axes whose padding may change what a model says of the rest. Further rows and choices don't: each is read by itself."""

CHANGES = "padding changes this model's results"
ADVICE = "compile this length too, or give inputs of just a compiled length"

_refused: ContextVar[bool] = ContextVar("padding is refused", default=False)


@contextlib.contextmanager
def padding_refused() -> Iterator[None]:
    """A block within which inputs that would be padded are refused, where that changes a model's results."""
    token = _refused.set(True)
    try:
        yield
    finally:
        _refused.reset(token)


def is_padding_refused() -> bool:
    """Whether this is within such a block."""
    return _refused.get()


def pad_input(tensor: torch.Tensor, spec: TensorSpec, pad_token: int) -> torch.Tensor:
    """Pad on the right in every dimension.

    Added tokens are padding that the mask leaves out. Added rows are dummies, with a mask of ones: a row that attends to
    nothing would give NaN in some models.
    """
    if tuple(tensor.shape) == spec.shape:
        return tensor
    token = pad_token if spec.name == "input_ids" else 0
    padded = torch.full(spec.shape, token, dtype=tensor.dtype)
    if spec.name == MASK:
        padded[tensor.shape[0] :] = 1
    padded[tuple(slice(0, size) for size in tensor.shape)] = tensor
    return padded


def cut_output(tensor: torch.Tensor, spec: TensorSpec, sizes: Mapping[str, int]) -> torch.Tensor:
    """Cut each dimension that an axis decides back to the size that was given: a view, no copy."""
    for dimension, axis in enumerate(spec.axes):
        if axis is not None and tensor.shape[dimension] != sizes[axis]:
            tensor = tensor.narrow(dimension, 0, sizes[axis])
    return tensor


def pad_token(folder: Path) -> int:
    """The config's padding token, 0 where it names none."""
    try:
        loaded = parse_json(read_plain(folder / "config.json"))
    except (OSError, ValueError):
        return 0
    token = loaded.get("pad_token_id") if isinstance(loaded, dict) else None
    return token if isinstance(token, int) else 0
