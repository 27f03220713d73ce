from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers.util.quantization import quantize_embeddings

from neuronbuild.errors import InputError
from neuronbuild.models.quantization import PRECISIONS, quantize

NARROW = PRECISIONS[1:]


def matrix(rows: int, seed: int, dtype=np.float32) -> np.ndarray:
    """Rows of eleven numbers, one column of which is always the same."""
    made = np.random.default_rng(seed).normal(size=(rows, 11)).astype(dtype)
    made[:, 3] = 0.5
    return made


@pytest.mark.parametrize("precision", NARROW)
@pytest.mark.parametrize("rows", [2, 150])
def test_a_matrix_is_narrowed_as_the_library_does(precision, rows):
    [ours], theirs = quantize([matrix(rows, 1)], precision), quantize_embeddings(matrix(rows, 1), precision)
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("precision", NARROW)
def test_several_matrices_are_narrowed_on_one_scale(precision):
    matrices = [matrix(rows, rows) for rows in (3, 1, 5)]
    ours, theirs = quantize(matrices, precision), quantize_embeddings(matrices, precision)
    assert all(np.array_equal(*pair) and pair[0].dtype == pair[1].dtype for pair in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_one_row_has_no_range(precision):
    with pytest.raises(ValueError, match="single embedding"):
        quantize_embeddings(matrix(1, 1), precision)
    with pytest.raises(InputError, match=f"no range to divide into {precision}"):
        quantize([matrix(1, 1)], precision)
