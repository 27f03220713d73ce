"""Seeded noise on a model's weights: what they are while a graph is traced, and while it is compared with eager PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from . import numeric

TRACED = 1
"""Seed of the noise of the weights that a graph is traced with."""

COMPARED = 2
"""Seed of the noise that is added before a graph is compared: none of the traced values may be in it."""

HALVINGS = 6
"""How often noise is halved at most: nothing much of it is left then."""

ROUNDING = 0.25
"""Largest share of the tolerance that rounding alone may take."""


def shake(model: torch.nn.Module, seed: int, share: float = 1.0) -> None:
    """Add a share of seeded noise in place to every parameter, and to every buffer that a checkpoint holds.

    Rows of matrices get noise of length 0.5, whatever their width: with the small numbers that transformers starts training
    from, attention in narrow models is nearly even, and a wrong mask or position hardly shows in the results. The model's
    aliases of one tensor stay one tensor. A negative share takes noise of the same seed away again.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in held(model):
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float32, device="cpu")
            size = 0.5 * (tensor.numel() / len(tensor)) ** -0.5 if tensor.dim() > 1 else 0.02
            tensor.add_(share * size * noise.to(tensor.dtype))


def settle(module: torch.nn.Module, precision: torch.dtype, seeds: Sequence[int]) -> None:
    """Halve the noise that a model was shaken with until rounding changes results by little of what the check tolerates.

    `precision` is the lowest that the graph computes in, `seeds` those of the noise. Some models amplify rounding: T5 doesn't
    scale its attention, and with all of this noise its results in bf16 have nothing to do with those in float32. A check of
    such weights would find fault with every graph.
    """
    if precision is torch.float32:
        return
    for halving in range(1, HALVINGS + 1):
        if _rounding(module, precision) <= ROUNDING * numeric.TOLERANCE[precision]:
            return
        for seed in seeds:
            shake(module.model, seed, -(0.5**halving))


def _rounding(module: torch.nn.Module, precision: torch.dtype) -> float:
    """Largest difference of eager results in a lower precision from those in float32, relative to the largest value."""
    with torch.no_grad():
        with torch.autocast("cpu", dtype=precision, enabled=module.model.dtype is not precision):
            low = _results(module)
        with _in_float32(module.model):
            high = _results(module)
    largest = 0.0
    for found, expected in zip(low, high):
        largest = max(largest, numeric.relative(found, expected))
    return largest


def _results(module: torch.nn.Module) -> list[torch.Tensor]:
    """What the model gives for the probes of its graph."""
    return [tensor for probe in module.probes(seed=3) for _, _, tensor in probe.expected]


@contextlib.contextmanager
def _in_float32(model: torch.nn.Module) -> Iterator[None]:
    """Have a model compute in float32 for a while. Its weights come back exactly: float32 holds all of their values."""
    buffers = [(part, name, tensor) for part in model.modules() for name, tensor in part._buffers.items()]
    dtypes = [(parameter, parameter.dtype) for parameter in model.parameters()]
    torch.nn.Module.float(model)
    try:
        yield
    finally:
        for parameter, dtype in dtypes:
            parameter.data = parameter.data.to(dtype)
        for part, name, tensor in buffers:
            part._buffers[name] = tensor


def held(model: torch.nn.Module) -> list[torch.Tensor]:
    """Parameters, and those buffers of floating point that a checkpoint holds."""
    names = model.state_dict()
    buffers = [tensor for name, tensor in model.named_buffers() if name in names and tensor.is_floating_point()]
    return [*model.parameters(), *buffers]
