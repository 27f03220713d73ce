from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.shape import Shape
from tests.tools.fuzz import few

SIZES = {"sequence_length": 64, "batch_size": 1}
ORDER = ("batch_size", "sequence_length")


def test_a_shape_keeps_the_order_that_it_is_given():
    assert Shape.of(SIZES, ORDER).axes == (("batch_size", 1), ("sequence_length", 64))


def test_a_shape_keeps_the_mappings_order_otherwise():
    assert Shape.of(SIZES).axes == (("sequence_length", 64), ("batch_size", 1))


def test_an_axis_without_a_size_is_a_bug_of_the_caller():
    with pytest.raises(KeyError, match="batch_size"):
        Shape.of({"sequence_length": 64}, ORDER)


def test_sizes_beyond_the_order_are_left_out():
    assert Shape.of({**SIZES, "num_choices": 4}, ORDER).as_dict() == SIZES


def test_a_label_names_a_folder():
    assert Shape.of(SIZES, ORDER).label == "batch_size_1-sequence_length_64"


def test_a_shape_reads_as_a_call_would_write_it():
    assert str(Shape.of(SIZES, ORDER)) == "batch_size=1, sequence_length=64"


def test_shapes_sort_by_their_sizes():
    small, large = (Shape.of({"batch_size": size}) for size in (2, 10))
    assert sorted([large, small]) == [small, large]


@few
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 99)))
def test_a_shape_is_its_sizes(sizes):
    shape = Shape.of(sizes)
    assert shape.as_dict() == sizes
    assert len({shape, Shape.of(shape.as_dict())}) == 1
