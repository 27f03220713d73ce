"""What transformers' pipelines ask of any model, besides what it computes."""

from __future__ import annotations

from typing import TypeVar

import torch

from neuronbuild.errors import InputError

Self = TypeVar("Self", bound="Likeness")


class Likeness:
    """A model that is where it is, as it is: on the CPU, taking and giving float32, never training."""

    @property
    def device(self) -> torch.device:
        """Where tensors must be: the CPU."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """What floating-point inputs are, whatever the graph computes in."""
        return torch.float32

    def to(self: Self, *where: object, device: object = None, dtype: object = None) -> Self:
        """The model itself, if that is where it is.

        Raises:
            InputError: another device or dtype is asked for.
        """
        for wanted in (*where, device, dtype):
            if wanted is not None and str(wanted) not in {"cpu", "torch.float32"}:
                raise InputError(f"a compiled model can't be moved to {wanted}", hint="compile it for what it is to run on")
        return self

    def eval(self: Self) -> Self:
        """The model itself."""
        return self

    def can_generate(self) -> bool:
        """Whether it has `generate()`."""
        return hasattr(self, "generate")
