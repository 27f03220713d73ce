"""Comparing what was compiled with eager PyTorch."""

from __future__ import annotations

import math

import torch

from .contract import Check
from .errors import UserError

TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 2e-1}
"""Largest difference allowed, relative to the largest value of that output (or to 1 where all are smaller).

float32 leaves room for another order of additions only. The lower precisions have 11 and 8 bits of mantissa, and rounding
adds up over layers: in bf16, 6 layers of seeded weights show 0.02, and 30 real ones (SmolLM2-135M) 0.11, where eager PyTorch
in bf16 itself shows 0.08. What belongs to another position or another weight differs by about 1.
"""


class Comparison:
    """The largest difference and the largest value of each output so far, over any number of calls."""

    def __init__(self, kind: str, precision: torch.dtype) -> None:
        self.kind = kind
        self.tolerance = TOLERANCE[precision]
        self.errors: dict[str, float] = {}
        self.scales: dict[str, float] = {}

    def add(self, name: str, got: torch.Tensor, expected: torch.Tensor, where: str) -> None:
        """Compare one output, or a part of it; `where` says which part of the inputs it is about, for the message.

        Raises:
            UserError: the shapes differ, a value isn't finite, or the difference is larger than the tolerance.
        """
        if tuple(got.shape) != tuple(expected.shape):
            raise UserError(f"output {name} has shape {tuple(got.shape)}, eager PyTorch gives {tuple(expected.shape)}")
        difference, scale = largest_difference(got, expected), _scale(expected)
        if not math.isfinite(difference) or difference > self.tolerance * scale:
            raise UserError(
                f"output {name} differs from eager PyTorch by {difference:.3g} {where} (largest value {scale:.3g}, "
                f"tolerance {self.tolerance:g} of it)"
            )
        self.errors[name] = max(difference, self.errors.get(name, 0.0))
        self.scales[name] = max(scale, self.scales.get(name, 1.0))

    def record(self) -> Check:
        """As a manifest holds it."""
        return {
            "kind": self.kind,
            "reference": "eager",
            "max_abs_error": self.errors,
            "scale": self.scales,
            "tolerance": self.tolerance,
        }


def largest_difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest absolute difference of two tensors of one shape; not a number where either holds one that isn't finite."""
    return float((got.double() - expected.double()).abs().max())


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest absolute difference, relative to the largest value (or to 1 where all are smaller); infinite for NaN."""
    difference = largest_difference(got, expected) / _scale(expected)
    return difference if math.isfinite(difference) else math.inf


def _scale(expected: torch.Tensor) -> float:
    return max(1.0, float(expected.double().abs().max()))
