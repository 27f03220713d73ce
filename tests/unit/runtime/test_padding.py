from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.signature import TensorSpec
from neuronbuild.runtime.padding import cut_output, pad_input
from tests.tools.fuzz import few

AXES = ("batch_size", "num_choices", "sequence_length")


def spec(*shape: int, name: str = "input_ids") -> TensorSpec:
    axes = AXES if len(shape) == 3 else ("batch_size", "sequence_length")
    return TensorSpec(name, "int64", shape, axes)


@few
@given(data=st.data(), name=st.sampled_from(["input_ids", "attention_mask", "token_type_ids"]))
def test_cutting_undoes_padding(data, name):
    whole = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=3))
    given_sizes = [data.draw(st.integers(1, size)) for size in whole]
    tensor = torch.arange(torch.Size(given_sizes).numel()).reshape(given_sizes)
    one = spec(*whole, name=name)
    padded = pad_input(tensor, one, pad_token=7)
    assert tuple(padded.shape) == tuple(whole)
    assert padded.is_contiguous()
    assert torch.equal(cut_output(padded, one, dict(zip(one.axes, given_sizes, strict=True))), tensor)


def test_what_fits_is_handed_on_as_it_is():
    tensor = torch.ones((2, 3), dtype=torch.int64)
    assert pad_input(tensor, spec(2, 3), pad_token=7) is tensor


def test_missing_tokens_are_padding_that_the_mask_leaves_out():
    ones = torch.ones((1, 2), dtype=torch.int64)
    assert pad_input(ones, spec(1, 4), pad_token=7).tolist() == [[1, 1, 7, 7]]
    assert pad_input(ones, spec(1, 4, name="attention_mask"), pad_token=7).tolist() == [[1, 1, 0, 0]]
    assert pad_input(ones, spec(1, 4, name="token_type_ids"), pad_token=7).tolist() == [[1, 1, 0, 0]]


def test_missing_rows_attend_to_something():
    ones = torch.ones((1, 2), dtype=torch.int64)
    assert pad_input(ones, spec(3, 3, name="attention_mask"), pad_token=7).tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert pad_input(ones, spec(3, 3), pad_token=7).tolist() == [[1, 1, 7], [7, 7, 7], [7, 7, 7]]


def test_missing_choices_are_padding():
    ones = torch.ones((1, 1, 2), dtype=torch.int64)
    assert pad_input(ones, spec(1, 2, 2), pad_token=7).tolist() == [[[1, 1], [7, 7]]]


@pytest.mark.parametrize("axis", [None, "batch_size"])
def test_only_dimensions_of_an_axis_are_cut(axis):
    one = TensorSpec("logits", "float32", (4, 5), (axis, None))
    assert tuple(cut_output(torch.ones(4, 5), one, {"batch_size": 3, "sequence_length": 1}).shape) == (3 if axis else 4, 5)


def test_cutting_copies_nothing():
    tensor = torch.ones(4, 6)
    assert cut_output(tensor, spec(4, 6), {"batch_size": 2, "sequence_length": 3}).data_ptr() == tensor.data_ptr()
