"""Comparing what was compiled with eager PyTorch."""

from __future__ import annotations

import math

import torch

from .serve import UserError

TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 2e-1}
"""Largest difference allowed, relative to the largest value of that output (or to 1 where all are smaller).

float32 leaves room for another order of additions only. The lower precisions have 11 and 8 bits of mantissa, and rounding
adds up over layers: in bf16, 6 layers of seeded weights show 0.02, and 30 real ones (SmolLM2-135M) 0.11, where eager PyTorch
in bf16 itself shows 0.08. What belongs to another position or another weight differs by about 1.
"""


def compare(got: dict, expected: dict, precision: torch.dtype, kind: str) -> dict:
    """A check's record of tensors by name.

    Raises:
        UserError: a value isn't finite, or an output differs by more than the tolerance.
    """
    record = {"kind": kind, "reference": "eager", "max_abs_error": {}, "scale": {}, "tolerance": TOLERANCE[precision]}
    for name, value in got.items():
        reference = expected[name]
        if tuple(value.shape) != tuple(reference.shape):
            raise UserError(f"output {name} has shape {tuple(value.shape)}, eager PyTorch gives {tuple(reference.shape)}")
        difference = (value.double() - reference.double()).abs().max().item()
        scale = max(1.0, reference.double().abs().max().item())
        if not math.isfinite(difference) or difference > TOLERANCE[precision] * scale:
            raise UserError(
                f"output {name} differs from eager PyTorch by {difference:.3g} (largest value {scale:.3g}, "
                f"tolerance {TOLERANCE[precision]:g} of it)"
            )
        record["max_abs_error"][name] = difference
        record["scale"][name] = scale
    return record


def run_both(compiled: object, module: torch.nn.Module, inputs: tuple) -> tuple:
    """Outputs and updated states by name: of the compiled graph, and of eager PyTorch with the same weights.

    The latter computes in float32, without casts.
    """
    mine, theirs = ([tensor.clone() for tensor in inputs] for _ in range(2))
    theirs = [tensor.float() if tensor.is_floating_point() else tensor for tensor in theirs]
    got = compiled(mine)
    cast, module.cast = module.cast, None
    try:
        with torch.no_grad():
            torch.nn.Module.float(module.model)  # transformers' own refuses a model that came from a quantized file
            expected = module(*theirs)
    finally:
        module.cast = cast
    names = [*module.output_names, *module.states]
    first = len(module.input_names)
    return dict(zip(names, [*got, *mine[first:]])), dict(zip(names, [*expected, *theirs[first:]]))
