from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import ShapeError
from neuronbuild.runtime.bucket import CALL, choose, cover_rows
from tests.tools.fuzz import few, many


def shape(batch: int, length: int) -> Shape:
    return Shape((("batch_size", batch), ("sequence_length", length)))


def needs(batch: int, length: int) -> dict[str, int]:
    return {"batch_size": batch, "sequence_length": length}


def cost(shapes: list[Shape], indexes) -> int:
    return sum(CALL + math.prod(size for _, size in shapes[index].axes) for index in indexes)


shapes_lists = st.lists(st.builds(shape, st.integers(1, 5), st.sampled_from([8, 16, 64])), min_size=1, max_size=4)
cases = given(shapes=shapes_lists, batch=st.integers(1, 11), length=st.integers(1, 70), split=st.booleans())


def check_cover(shapes, batch, length, split):
    """Whatever is chosen covers just the batch, by shapes that fit."""
    try:
        chunks = choose(shapes, needs(batch, length), split=split)
    except ShapeError:
        fitting = [one for one in map(Shape.as_dict, shapes) if one["sequence_length"] >= length]
        assert not fitting or (not split and all(one["batch_size"] < batch for one in fitting))
        return
    assert sum(rows for _, rows in chunks) == batch
    assert split or len(chunks) == 1
    for index, rows in chunks:
        chosen = shapes[index].as_dict()
        assert 1 <= rows <= chosen["batch_size"]
        assert chosen["sequence_length"] >= length


@few
@cases
def test_the_batch_is_covered_exactly_and_only_by_shapes_that_fit(shapes, batch, length, split):
    check_cover(shapes, batch, length, split)


@pytest.mark.soak
@many
@cases
def test_any_batch_is_covered_exactly_and_only_by_shapes_that_fit(shapes, batch, length, split):
    check_cover(shapes, batch, length, split)


@few
@given(shapes=shapes_lists, batch=st.integers(1, 6), length=st.integers(1, 64))
def test_no_other_cover_is_cheaper(shapes, batch, length):
    fitting = [index for index, one in enumerate(shapes) if one.as_dict()["sequence_length"] >= length]
    covers = [
        cover
        for calls in range(1, batch + 1)
        for cover in itertools.combinations_with_replacement(fitting, calls)
        if sum(shapes[index].as_dict()["batch_size"] for index in cover) >= batch
    ]
    if covers:
        chunks = choose(shapes, needs(batch, length), split=True)
        assert cost(shapes, [index for index, _ in chunks]) == min(cost(shapes, cover) for cover in covers)


@pytest.mark.parametrize(
    ("batch", "length", "chosen"),
    [(1, 8, 0), (1, 9, 1), (2, 8, 2), (2, 9, 3), (4, 16, 3)],
)
def test_the_cheapest_single_shape_is_taken(batch, length, chosen):
    shapes = [shape(1, 8), shape(1, 16), shape(4, 8), shape(4, 16)]
    assert choose(shapes, needs(batch, length), split=False) == [(chosen, batch)]


def test_a_batch_is_split_over_several_calls_with_the_remainder_last():
    assert choose([shape(4, 64)], needs(10, 64), split=True) == [(0, 4), (0, 4), (0, 2)]


def test_one_padded_call_is_cheaper_than_many_small_ones():
    assert choose([shape(1, 64), shape(8, 64)], needs(7, 64), split=True) == [(1, 7)]
    assert choose([shape(1, 64), shape(8, 64)], needs(2, 64), split=True) == [(0, 1), (0, 1)]


def test_other_axes_count_too():
    shapes = [Shape((("batch_size", 1), ("sequence_length", 8), ("num_choices", n))) for n in (2, 4)]
    needed = {"batch_size": 1, "num_choices": 3, "sequence_length": 8}
    assert choose(shapes, needed, split=False) == [(1, 1)]


def test_axes_that_must_be_exact_leave_out_what_would_be_padded_though_it_costs_less():
    shapes, exact = [shape(1, 16), shape(8, 20)], frozenset({"sequence_length"})
    assert choose(shapes, needs(3, 16), split=True) == [(1, 3)]
    assert choose(shapes, needs(3, 16), split=True, exact=exact) == [(0, 1), (0, 1), (0, 1)]
    with pytest.raises(ShapeError):
        choose(shapes, needs(3, 12), split=True, exact=exact)


def test_the_error_names_what_was_given_and_what_is_compiled():
    with pytest.raises(ShapeError) as caught:
        choose([shape(1, 8), shape(4, 16)], needs(2, 32), split=False)
    assert caught.value.message == (
        "inputs of batch_size=2, sequence_length=32 fit no compiled shape "
        "(compiled: batch_size=1, sequence_length=8; batch_size=4, sequence_length=16)"
    )
    assert "truncation=True" in caught.value.hint
    assert isinstance(caught.value, ValueError)


def test_a_batch_that_is_only_too_large_is_told_what_helps():
    with pytest.raises(ShapeError) as caught:
        choose([shape(1, 8)], needs(2, 8), split=False)
    assert "dynamic_batch_size: true" in caught.value.hint


def paths(lengths, shapes):
    """Every way through rows, with what it costs."""
    if not lengths:
        yield 0
    for one in map(Shape.as_dict, shapes):
        if lengths and one["sequence_length"] >= lengths[0]:
            step = CALL + one["batch_size"] * one["sequence_length"]
            yield from (step + rest for rest in paths(lengths[one["batch_size"] :], shapes))


@few
@given(shapes=shapes_lists, lengths=st.lists(st.integers(1, 64), max_size=6))
def test_rows_of_any_lengths_take_the_cheapest_way(shapes, lengths):
    shapes, lengths = [*shapes, shape(1, 64)], sorted(lengths, reverse=True)
    taken = cover_rows(lengths, shapes)
    assert sum(taken) == len(lengths)
    total, start = 0, 0
    for rows in taken:
        fitting = [index for index, one in enumerate(shapes) if one.as_dict()["sequence_length"] >= lengths[start]]
        total += min(cost(shapes, [index]) for index in fitting if shapes[index].as_dict()["batch_size"] >= rows)
        start += rows
    assert total == min(paths(lengths, shapes))


def test_a_row_that_fits_no_shape_is_refused():
    with pytest.raises(ShapeError):
        cover_rows([20, 3], [shape(4, 16)])
    assert cover_rows([], [shape(4, 16)]) == []
