from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from neuronbuild.api.prepare import plan
from neuronbuild.api.settings import Settings
from neuronbuild.errors import RecipeError, SourcesError, ToolchainError
from neuronbuild.recipe.load import load_recipes
from tests.conftest import TEXT, write_recipe
from tests.tools.pipelines import write_pipeline


@pytest.fixture
def settings(tmp_path) -> Settings:
    """The user's own for this machine, but for the store, which is empty."""
    return replace(Settings(), cache=str(tmp_path / "store"))


@pytest.fixture
def recipe(models, tmp_path):
    """Make a recipe that can be planned, but for what differs, and load it."""

    def make(name: str, **keys):
        keys = {"model": str(models["fill-mask"]), "task": "fill-mask", "shapes": TEXT, **keys}
        return load_recipes([write_recipe(tmp_path / f"recipes/{name}.yaml", **keys)])

    return make


WRONG = {
    SourcesError: {"model": "./nowhere"},
    RecipeError: {"shapes": {"batch_size": 1, "sequence_length": 100_000}},
    ToolchainError: {"platforms": ["inf2"]},
}


def test_a_release_that_optimum_neuron_couldnt_load_is_refused_where_the_recipe_wants_it_so(settings, recipe, models):
    keys = {"model": str(models["text-generation"]), "task": "text-generation", "platforms": ["inf2"]}
    wanted = recipe("other", **keys, shapes={"batch_size": 1, "sequence_length": 32}, release={"layout": "optimum"})
    with pytest.raises(RecipeError) as caught:
        plan(wanted, replace(settings, sdk="2.31.0"))
    [issue] = caught.value.issues
    assert issue.message.startswith("Its graphs keep a cache that one hands to the other")
    assert "layout" in Path(issue.path).read_text().splitlines()[issue.line - 1]


def test_a_release_that_optimum_neuron_can_load_is_planned(settings, recipe):
    steps = plan(recipe("each", platforms=["inf2"], release={"layout": "optimum"}), replace(settings, sdk="2.31.0")).steps
    assert [step.target.recipe for step in steps] == ["each"]


@pytest.mark.parametrize("kind", WRONG)
def test_one_that_is_wrong_leaves_the_others_as_they_are(settings, recipe, kind):
    alone = plan(recipe("right"), settings)
    failures = []
    assert plan([*recipe("wrong", **WRONG[kind]), *recipe("right")], settings, failures) == alone
    assert [type(failure) for failure in failures] == [kind]


def test_all_that_is_wrong_is_told_those_of_a_kind_together(settings, recipe):
    failures = []
    wrong = [located for number, keys in enumerate(WRONG.values()) for located in recipe(f"wrong-{number}", **keys)]
    plan([*wrong, *recipe("right"), *recipe("again", **WRONG[ToolchainError])], settings, failures)
    assert [type(failure) for failure in failures] == [RecipeError, ToolchainError]
    assert "./nowhere" in failures[0].message
    assert "100000" in failures[0].message


@pytest.mark.parametrize("kind", WRONG)
def test_where_nothing_is_left_failures_are_told_all_the_same(settings, recipe, kind):
    failures = []
    assert plan(recipe("wrong", **WRONG[kind]), settings, failures).steps == ()
    assert [type(failure) for failure in failures] == [kind]


@pytest.mark.parametrize("kind", WRONG)
def test_without_a_place_for_failures_they_are_raised(settings, recipe, kind):
    with pytest.raises(kind):
        plan([*recipe("wrong", **WRONG[kind]), *recipe("right")], settings)


def test_what_is_raised_tells_all_that_is_wrong(settings, recipe):
    wrong = [located for number, keys in enumerate(WRONG.values()) for located in recipe(f"wrong-{number}", **keys)]
    with pytest.raises(RecipeError, match=r"(?s)\./nowhere.*there is no Neuron SDK here"):
        plan(wrong, settings)


def test_a_platform_that_lacks_its_toolchain_leaves_the_others_of_its_recipe(settings, recipe):
    failures = []
    assert plan(recipe("both", platforms=["inf2", "cpu"]), settings, failures) == plan(recipe("both"), settings)
    assert [type(failure) for failure in failures] == [ToolchainError]


def test_what_is_known_never_to_work_is_refused_at_its_key_with_its_source(settings, tmp_path):
    model = write_pipeline(tmp_path / "pictures", "StableDiffusionXLPipeline")
    shapes = {"batch_size": 1, "height": 64, "width": 64}
    keys = {"model": str(model), "task": "text-to-image", "platforms": ["inf2"], "weights": "separate", "shapes": shapes}
    file = write_recipe(tmp_path / "recipes/xl.yaml", **keys)
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("weights:"))
    with pytest.raises(RecipeError, match="UNet of SDXL") as caught:
        plan(load_recipes([file]), replace(settings, sdk="2.26.1"))
    [issue] = caught.value.issues
    assert issue.line == line
    assert "aws-neuron-sdk#859" in issue.message
    assert "use `weights: inline`" in issue.message
