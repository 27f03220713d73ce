"""What compiler options do to keys and to answers."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from neuronbuild.models import open_model
from tests.unit.runtime.releases import random_inputs

OPTIONS = {"cast-matmul": 8e-2, "cast-all": 8e-2, "half": 2e-2}
"""Recipes of a lower precision, and what they may differ from float32."""


def answer(built, recipe: str) -> torch.Tensor:
    return open_model(built.releases[recipe])(**random_inputs(2, 16)).last_hidden_state.float()


@pytest.mark.parametrize("recipe", OPTIONS)
def test_a_lower_precision_changes_answers_but_not_by_much(built, recipe):
    exact, lower = answer(built, "feature-extraction"), answer(built, recipe)
    assert not torch.allclose(lower, exact, atol=1e-5)
    assert (lower - exact).abs().max() <= OPTIONS[recipe] * exact.abs().max()


def test_matmul_and_all_are_not_the_same(built):
    assert not torch.equal(answer(built, "cast-matmul"), answer(built, "cast-all"))


def test_casts_give_their_answers_in_float32_and_half_weights_in_half(built):
    kinds = [open_model(built.releases[name])(**random_inputs(1, 4)).last_hidden_state.dtype for name in OPTIONS]
    assert kinds == [torch.float32, torch.float32, torch.float16]


def test_the_level_of_optimisation_is_another_key_and_the_same_answer(built):
    assert torch.allclose(answer(built, "quick"), answer(built, "feature-extraction"), atol=1e-5)


def test_every_option_has_a_key_of_its_own(built):
    recipes = ["feature-extraction", "quick", *OPTIONS]
    keys = [step["key"] for step in built.report["steps"] if step["recipe"] in recipes]
    assert len(keys) == len(set(keys)) == len(recipes)


def test_every_release_records_its_check_with_the_real_weights(built):
    for recipe, folder in built.releases.items():
        buckets = json.loads((folder / "neuronbuild.json").read_text())["buckets"]
        checks = list(itertools.chain.from_iterable(bucket["checks"] for bucket in buckets))
        assert [check["kind"] for check in checks] == ["real-weights"] * len(buckets), recipe
        for check in checks:
            assert all(error <= check["tolerance"] * check["scale"][name] for name, error in check["max_abs_error"].items())
