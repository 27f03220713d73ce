from __future__ import annotations

import pytest

from neuronbuild.tasks import all_sizes, dims


def test_a_row_is_one_beam_of_one_sequence():
    assert all_sizes({"batch_size": 3, "num_beams": 4}) == {"batch_size": 3, "num_beams": 4, "rows": 12}


def test_a_shape_without_beams_has_no_rows():
    assert all_sizes({"batch_size": 3, "sequence_length": 8}) == {"batch_size": 3, "sequence_length": 8}


def test_a_dimension_is_a_number_or_an_axis():
    assert dims(("batch_size", 1, "sequence_length"), {"batch_size": 2, "sequence_length": 8}) == [2, 1, 8]


def test_an_axis_without_a_size_is_a_fault():
    with pytest.raises(KeyError):
        dims(("rows",), {"batch_size": 2})
