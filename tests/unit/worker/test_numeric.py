from __future__ import annotations

import math

import pytest
import torch

from neuronbuild.worker.numeric import TOLERANCE, compare
from neuronbuild.worker.serve import UserError

ONES = torch.ones(2, 3)


def test_equal_results_are_recorded_with_tolerance_and_scale():
    assert compare({"logits": ONES * 4}, {"logits": ONES * 4}, torch.float32, "random-weights") == {
        "kind": "random-weights",
        "reference": "eager",
        "max_abs_error": {"logits": 0.0},
        "scale": {"logits": 4.0},
        "tolerance": 1e-4,
    }


def test_the_largest_difference_of_each_output_is_recorded():
    got = {"a": ONES + 5e-5, "b": ONES - 2e-5}
    record = compare(got, {"a": ONES, "b": ONES}, torch.float32, "real-weights")
    assert record["max_abs_error"] == {"a": pytest.approx(5e-5, rel=0.01), "b": pytest.approx(2e-5, rel=0.01)}


@pytest.mark.parametrize("precision", TOLERANCE)
def test_a_lower_precision_may_differ_more_and_no_more_than_that(precision):
    limit = TOLERANCE[precision]
    compare({"x": ONES + 0.9 * limit}, {"x": ONES}, precision, "any")
    with pytest.raises(UserError, match="output x differs from eager PyTorch by"):
        compare({"x": ONES + 1.2 * limit}, {"x": ONES}, precision, "any")


def test_large_values_may_differ_in_proportion_and_small_ones_absolutely():
    compare({"x": ONES * 1000.05}, {"x": ONES * 1000}, torch.float32, "any")
    compare({"x": ONES * 1e-5}, {"x": ONES * 0}, torch.float32, "any")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_never_within_tolerance(bad):
    strange = ONES.clone()
    strange[1, 2] = bad
    for got, expected in ((strange, ONES), (ONES, strange), (strange, strange)):
        with pytest.raises(UserError, match="differs from eager PyTorch"):
            compare({"x": got}, {"x": expected}, torch.bfloat16, "any")


def test_another_shape_is_refused():
    with pytest.raises(UserError, match=r"output x has shape \(2, 3\), eager PyTorch gives \(3, 2\)"):
        compare({"x": ONES}, {"x": ONES.t()}, torch.float32, "any")
