from __future__ import annotations

import math

import pytest
import torch

from neuronbuild.worker.errors import UserError
from neuronbuild.worker.numeric import TOLERANCE, Comparison

ONES = torch.ones(2, 3)


def compare(got, expected, precision=torch.float32, name="x") -> dict:
    comparison = Comparison("random-weights", precision)
    comparison.add(name, got, expected, "at the last slot")
    return comparison.record()


def test_equal_results_are_recorded_with_tolerance_and_scale():
    assert compare(ONES * 4, ONES * 4, name="logits") == {
        "kind": "random-weights",
        "reference": "eager",
        "max_abs_error": {"logits": 0.0},
        "scale": {"logits": 4.0},
        "tolerance": 1e-4,
    }


def test_the_largest_difference_of_each_output_over_all_calls_is_recorded():
    comparison = Comparison("real-weights", torch.float32)
    for name, got in (("a", ONES + 5e-5), ("a", ONES), ("b", ONES - 2e-5)):
        comparison.add(name, got, ONES, "")
    errors = comparison.record()["max_abs_error"]
    assert errors == {"a": pytest.approx(5e-5, rel=0.01), "b": pytest.approx(2e-5, rel=0.01)}


@pytest.mark.parametrize("precision", TOLERANCE)
def test_a_lower_precision_may_differ_more_and_no_more_than_that(precision):
    limit = TOLERANCE[precision]
    compare(ONES + 0.9 * limit, ONES, precision)
    with pytest.raises(UserError, match=r"output x differs from eager PyTorch by .* at the last slot"):
        compare(ONES + 1.2 * limit, ONES, precision)


def test_large_values_may_differ_in_proportion_and_small_ones_absolutely():
    compare(ONES * 1000.05, ONES * 1000)
    compare(ONES * 1e-5, ONES * 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_never_within_tolerance(bad):
    strange = ONES.clone()
    strange[1, 2] = bad
    for got, expected in ((strange, ONES), (ONES, strange), (strange, strange)):
        with pytest.raises(UserError, match="differs from eager PyTorch"):
            compare(got, expected, torch.bfloat16)


def test_another_shape_is_refused():
    with pytest.raises(UserError, match=r"output x has shape \(2, 3\), eager PyTorch gives \(3, 2\)"):
        compare(ONES, ONES.t())
