"""Embeddings in fewer bits, by the formulas of sentence_transformers/util/quantization.py (version 6.2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from neuronbuild.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
FEW = 100
"""Fewer embeddings than this say little of the range of all."""


def quantize(matrices: Sequence[np.ndarray], precision: str) -> list[np.ndarray]:
    """Matrices of embeddings (rows, width), all of them on one scale.

    `int8` and `uint8` divide what lies between the least and the largest value of each column into 256 steps; `binary` and
    `ubinary` put the signs of eight columns into a byte.

    Raises:
        InputError: there is only one row, which has no range.
    """
    if precision.endswith("binary"):
        signs = [np.packbits(matrix > 0, axis=-1) for matrix in matrices]
        return signs if precision == "ubinary" else [(each - 128).astype(np.int8) for each in signs]
    rows = np.concatenate(matrices)
    if len(rows) <= 1:
        raise InputError(
            f"one embedding has no range to divide into {precision}", hint="encode many texts in one call, or choose binary"
        )
    if len(rows) < FEW:
        logger.warning("%s divides the range of only %d embeddings: more make it steadier", precision, len(rows))
    start, end = rows.min(axis=0).astype(np.float32), rows.max(axis=0).astype(np.float32)
    steps = (end - start) / 255
    steps = np.where(steps == 0, 1, steps)
    levels = [np.clip(np.floor((matrix - start) / steps), 0, 255) for matrix in matrices]
    return [each.astype(np.uint8) if precision == "uint8" else (each - 128).astype(np.int8) for each in levels]
