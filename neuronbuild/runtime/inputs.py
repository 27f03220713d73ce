"""What a caller may pass, checked and completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from neuronbuild.counts import counted
from neuronbuild.errors import InputError
from neuronbuild.tasks.sentences import POOLING_MASK
from neuronbuild.tasks.table import MASK, TOKEN_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.artifact.signature import TensorSpec
    from neuronbuild.tasks.limits import Known

SOURCE = 'the tokenizer or processor that the release carries gives it: call that with return_tensors="pt"'

SAYS_NOTHING = {TOKEN_TYPES: 0, MASK: 1, "pixel_mask": 1}
"""What tokenizers and processors add for models that take no such input: it tells nothing where it is this number alone."""

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


def complete_inputs(
    given: Mapping[str, object], specs: Sequence[TensorSpec], known: Known
) -> tuple[list[torch.Tensor], dict[str, int]]:
    """All inputs of a graph, in its order, and the size of each axis.

    Of those that may be left out and aren't given, each holds one number, and all tokens but padding are pooled.

    Raises:
        InputError: an input is missing, unknown, of another kind or rank than the graph's, of another shape than the other
            inputs', or holds an id that is negative or not below its limit.
    """
    tensors = _known({name: value for name, value in given.items() if name not in known.ignored}, specs)
    for spec in specs:
        if spec.name not in tensors and spec.name not in known.defaults:
            hint = f"this model takes {', '.join(each.name for each in specs)}; {SOURCE}"
            raise InputError(f"the input {spec.name} is missing", hint=hint)
    checked = {spec.name: _checked(tensors[spec.name], spec) for spec in specs if spec.name in tensors}
    sizes = _sizes(checked, specs)
    _refuse_strange_ids(checked, known.limits)
    if POOLING_MASK not in checked and MASK in checked:
        checked[POOLING_MASK] = checked[MASK]
    defaults = known.defaults
    return [checked[s.name] if s.name in checked else _full(s, sizes, defaults[s.name]) for s in specs], sizes


def _checked(value: object, spec: TensorSpec) -> torch.Tensor:
    """A tensor of the graph's dtype, row by row in memory: a compiled graph reads it so, whatever a tensor's strides."""
    name = spec.name
    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{name} is a {type(value).__name__}, not a tensor", hint='call the tokenizer or processor with return_tensors="pt"'
        )
    wanted = getattr(torch, spec.dtype)
    if wanted.is_floating_point and not value.is_floating_point():
        raise InputError(f"{name} holds {value.dtype}; it must hold floating-point numbers", hint=SOURCE)
    if not wanted.is_floating_point and value.dtype not in INTEGERS:
        raise InputError(f"{name} holds {value.dtype}; it must hold integers", hint=SOURCE)
    if value.layout is not torch.strided:
        raise InputError(f"{name} is stored as {value.layout}", hint="call .to_dense() on it")
    if value.device.type != "cpu":
        raise InputError(f"{name} is on the device {value.device}", hint="call .cpu() on it")
    if value.dim() != len(spec.shape):
        axes = ", ".join(str(axis or size) for axis, size in zip(spec.axes, spec.shape, strict=True))
        raise InputError(
            f"{name} has {counted(value.dim(), 'dimension')}; the graph takes {len(spec.shape)}: {axes}", hint=SOURCE
        )
    if 0 in value.shape:
        raise InputError(f"{name} is empty: its shape is {list(value.shape)}")
    return value.to(wanted).contiguous()


def _sizes(tensors: Mapping[str, torch.Tensor], specs: Sequence[TensorSpec]) -> dict[str, int]:
    """Sizes by axis, on which all inputs agree; what no axis decides is as the graph was compiled."""
    told: dict[str, tuple[int, str]] = {}
    for spec in specs:
        if spec.name not in tensors:
            continue
        shape = list(tensors[spec.name].shape)
        for axis, compiled, size in zip(spec.axes, spec.shape, shape, strict=True):
            if axis is None and size != compiled:
                raise InputError(f"{spec.name} has shape {shape}; this model takes {list(spec.shape)}")
            if axis is not None and told.setdefault(axis, (size, spec.name))[0] != size:
                other = told[axis][1]
                raise InputError(f"{spec.name} has shape {shape}, but {other} has {list(tensors[other].shape)}")
    return {axis: size for axis, (size, _) in told.items()}


def _refuse_strange_ids(tensors: Mapping[str, torch.Tensor], limits: Mapping[str, int]) -> None:
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


def _known(given: Mapping[str, object], specs: Sequence[TensorSpec]) -> dict[str, object]:
    """What was given, without what says nothing."""
    names = [spec.name for spec in specs]
    known = {}
    for name, value in given.items():
        if value is None or (
            name in SAYS_NOTHING and name not in names and bool((torch.as_tensor(value) == SAYS_NOTHING[name]).all())
        ):
            continue
        if name not in names and name == MASK:
            hint = "the model can't leave padding out: run inputs one by one, or pad none"
            raise InputError("this model takes no attention_mask, and the one given leaves something out", hint=hint)
        if name not in names:
            import difflib

            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"this model takes {', '.join(names)}"
            raise InputError(f"unknown input {name}", hint=hint)
        known[name] = value
    return known


def _full(spec: TensorSpec, sizes: Mapping[str, int], number: int) -> torch.Tensor:
    shape = [sizes[axis] if axis else size for axis, size in zip(spec.axes, spec.shape, strict=True)]
    return torch.full(shape, number, dtype=torch.int64)
