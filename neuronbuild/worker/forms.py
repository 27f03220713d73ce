"""Operators that torch-xla has no lowering for, written in others that it has.

An operator without a lowering leaves the graph: it is computed on the host while the graph is traced, and its result goes
into the graph as a constant. What was computed from an example's values or from weights would be wrong for all others.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Sizes = typing.Union[int, typing.Sequence[int]]
"""One size for both dimensions, or one for each."""


Form = typing.Callable[..., typing.Union[torch.Tensor, None]]
"""Writes a call of an operator otherwise; `None` where the call can stay."""


class Forms(TorchFunctionMode):
    """While it is entered, operators are written in other forms of the same meaning, each by its function in a table."""

    def __init__(self, forms: Mapping[object, Form]) -> None:
        super().__init__()
        self._forms = forms

    def __torch_function__(
        self,
        function: typing.Callable[..., object],
        _types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Called by torch for every function in its place."""
        written = self._forms.get(function)
        result = None if written is None else written(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {})) if result is None else result


class LowerableForms(Forms):
    """The forms that torch-xla lowers."""

    def __init__(self) -> None:
        super().__init__(FORMS)


def unfold(
    tensor: torch.Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> torch.Tensor | None:
    """Windows over the rows of (batch, channels, rows, 1), as torch.nn.functional.unfold: (batch, channels x size, places).

    `None` where windows are wider than one column, or leave out places.
    """
    (size, wide), (more, _), (step, _), (apart, _) = (_pair(each) for each in (kernel_size, padding, stride, dilation))
    if wide != 1 or tensor.shape[-1] != 1 or step != 1 or apart != 1 or _pair(padding)[1]:
        return None
    rows = functional.pad(tensor[..., 0], (more, more))
    places = rows.shape[-1] - size + 1
    return torch.stack([rows[..., first : first + places] for first in range(size)], dim=2).flatten(1, 2)


def weight_norm(direction: torch.Tensor, length: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """Weights of a direction and a length along one dimension, as torch._weight_norm."""
    others = [index for index in range(direction.dim()) if index != dim % direction.dim()]
    return direction * (length / direction.square().sum(others, keepdim=True).sqrt())


def interpolate(
    tensor: torch.Tensor,
    size: Sizes | None = None,
    scale_factor: object = None,
    mode: str = "nearest",
    align_corners: bool | None = None,  # noqa: FBT001 (as torch has it)
    *more: object,
    **named: object,
) -> torch.Tensor | None:
    """A table (batch, channels, rows, columns) of another size, in bicubic mode; `None` for every other call.

    Each value is a sum of some along its column, and then along its row: two products with matrices that sizes alone decide.
    """
    if mode != "bicubic" or size is None or scale_factor is not None or align_corners or any(more) or any(named.values()):
        return None
    down, across = (_weights(before, after) for before, after in zip(tensor.shape[-2:], _pair(size)))
    wide = tensor.float()
    return (down.to(tensor.device) @ wide @ across.t().to(tensor.device)).to(tensor.dtype)


def _weights(before: int, after: int) -> torch.Tensor:
    """How much of each of `before` values is in each of `after`, as (after, before)."""
    with torch._C.DisableTorchFunction():
        ones = torch.eye(before, device="cpu").reshape(1, before, before, 1)
        return functional.interpolate(ones, size=(after, 1), mode="bicubic", align_corners=False)[0, :, :, 0].t()


def _pair(value: Sizes) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


FORMS: dict[object, Form] = {
    functional.unfold: unfold,
    torch._weight_norm: weight_norm,
    functional.interpolate: interpolate,
}
"""By the function that is replaced, what is called for it; it takes the same arguments, and may give `None`."""
