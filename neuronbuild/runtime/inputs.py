"""What a caller may pass, checked and completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from neuronbuild.errors import InputError
from neuronbuild.runtime.padding import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.artifact.signature import TensorSpec

TOKEN_TYPES = "token_type_ids"  # noqa: S105 (no secret)

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


def complete_inputs(given: Mapping[str, object], specs: Sequence[TensorSpec], limits: Mapping[str, int]) -> list[torch.Tensor]:
    """All inputs of a graph, in its order, of one shape: a mask that isn't given is all ones, token types are all zeros.

    Raises:
        InputError: an input is missing, unknown, no tensor of integers, of another rank or shape than the others, or holds
            an id that is negative or not below its limit.
    """
    names = [spec.name for spec in specs]
    tensors = {name: _tensor(name, value) for name, value in given.items() if value is not None}
    _refuse_unknown(tensors, names)
    main = names[0]
    if main not in tensors:
        raise InputError(f"the input {main} is missing", hint=f"this model takes {', '.join(names)}")
    shape = tensors[main].shape
    for name, tensor in tensors.items():
        if tensor.dim() != len(specs[0].shape):
            axes = ", ".join(str(axis) for axis in specs[0].axes)
            raise InputError(f"{name} has {tensor.dim()} dimensions; the graph takes {len(specs[0].shape)}: {axes}")
        if tensor.shape != shape:
            raise InputError(f"{name} has shape {list(tensor.shape)}, but {main} has {list(shape)}")
    if 0 in shape:
        raise InputError(f"{main} is empty: its shape is {list(shape)}")
    _refuse_strange_ids(tensors, limits)
    return [tensors[name] if name in tensors else _default(name, shape) for name in names]


def _tensor(name: str, value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{name} is a {type(value).__name__}, not a tensor", hint='call the tokenizer with return_tensors="pt"'
        )
    if value.dtype not in INTEGERS:
        raise InputError(f"{name} holds {value.dtype}; it must hold integers")
    if value.device.type != "cpu":
        raise InputError(f"{name} is on the device {value.device}", hint="call .cpu() on it")
    return value.to(torch.int64).contiguous()  # a compiled graph reads memory row by row, whatever a tensor's strides


def _refuse_strange_ids(tensors: dict[str, torch.Tensor], limits: Mapping[str, int]) -> None:
    """An id outside its table would end the whole process: compiled loops run in threads that can't throw."""
    for name, limit in limits.items():
        if name not in tensors:
            continue
        lowest, highest = (int(value) for value in tensors[name].aminmax())
        if lowest < 0 or highest >= limit:
            strange = lowest if lowest < 0 else highest
            raise InputError(
                f"{name} holds {strange}; this model knows 0 to {limit - 1}", hint="use the tokenizer that the release carries"
            )


def _refuse_unknown(tensors: dict[str, torch.Tensor], names: list[str]) -> None:
    for name in list(tensors):
        if name in names:
            continue
        if name == TOKEN_TYPES and not tensors[name].any():
            del tensors[name]  # what tokenizers add for models that have no token types: zeros say nothing
            continue
        import difflib

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"this model takes {', '.join(names)}"
        raise InputError(f"unknown input {name}", hint=hint)


def _default(name: str, shape: torch.Size) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.int64) if name == MASK else torch.zeros(shape, dtype=torch.int64)
