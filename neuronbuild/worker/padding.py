"""Whether padding changes a model's results: measured in eager PyTorch, at several lengths shorter than the compiled one.

A mask leaves padding out of attention, but a convolution may run over it, an embedding may look at the next token, or a
classifier may read the last position, whatever stands there.
"""

from __future__ import annotations

import math

import torch

from . import numeric
from .contract import Check
from .graph import MASK, Graph, Named

TOLERANCE = 1e-4
"""Largest difference that rounding is taken for, relative to the largest value of the output. Float32 shows some 1e-6."""

AXES = {"sequence_length": -1, "audio_sequence_length": 1}
"""Axes along which inputs are padded at run time, and the dimension of the inputs that they are."""

ROWS = 2
"""Rows that are measured: no row's results follow from another's."""

PADDED = ("input_ids", MASK, "token_type_ids", "pooling_mask", "input_values")


def measure(module: Graph) -> list[Check]:
    """The record of one check; none for graphs whose inputs aren't padded, and for those that have a cache.

    Compares inputs of several lengths, as they are and padded to the compiled length, both in float32. A record without any
    output says that nothing can be compared: the model takes no other length than the compiled one, or its results aren't
    finite. The model is in float32 afterwards.
    """
    axis = next((axis for axis in AXES if axis in module.action["shape"]), None)
    if axis is None or module.states:
        return []
    torch.nn.Module.float(module.model)
    record: Check = {
        "kind": "padding",
        "reference": "eager, not padded",
        "max_abs_error": {},
        "scale": {},
        "tolerance": TOLERANCE,
    }
    size = module.action["shape"][axis]
    with torch.no_grad():
        for length in sorted({size - 1, size // 2, size // 4} - {0, 1, size}):
            exact, padded = _inputs(module, length, AXES[axis])
            try:
                expected = module.reference(exact)
            except (RuntimeError, ValueError):  # a table of positions of just the compiled length
                return [{**record, "max_abs_error": {}, "scale": {}}]
            _add(record, module.reference(padded), expected)
    if not all(math.isfinite(value) for value in record["max_abs_error"].values()):
        return [{**record, "max_abs_error": {}, "scale": {}}]
    return [record] if record["scale"] else []


def _inputs(module: Graph, length: int, dimension: int) -> tuple[Named, Named]:
    """Inputs of a length by name, and the same as the runtime pads them: with the padding token, zeros and a mask of zeros."""
    exact: Named = {}
    padded: Named = {}
    config = module.action["model"]["config"]
    end = config.get("text_config", {}).get("eos_token_id")
    for name, tensor in zip(module.input_names, module.example(seed=5)):
        whole = tensor[:ROWS].clone()
        if name not in PADDED:
            exact[name] = padded[name] = whole
            continue
        filling = 0
        if name == MASK:
            whole.fill_(1)
        elif name == "input_ids":
            filling = config.get("pad_token_id") or 0
            if isinstance(end, int):  # a text's embedding is that of its end
                whole.select(dimension, length - 1).fill_(end)
        exact[name] = whole.narrow(dimension, 0, length).contiguous()
        whole.narrow(dimension, length, whole.shape[dimension] - length).fill_(filling)
        padded[name] = whole
    return exact, padded


def _add(record: Check, padded: Named, expected: Named) -> None:
    """The differences of what isn't padding, and the largest values."""
    for name, tensor in expected.items():
        cut = padded[name][tuple(slice(0, size) for size in tensor.shape)]
        difference, scale = numeric.largest_difference(cut, tensor), tensor.abs().max().item()
        if not math.isfinite(difference):  # `max` would keep or drop what is no number by its position
            difference = math.inf
        record["max_abs_error"][name] = max(difference, record["max_abs_error"].get(name, 0.0))
        record["scale"][name] = max(scale, record["scale"].get(name, 0.0))
