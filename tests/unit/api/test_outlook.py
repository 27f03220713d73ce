from __future__ import annotations

import json

import pytest

from neuronbuild.api.outlook import outlook
from neuronbuild.recipe.load import load_recipes
from tests.conftest import TEXT, write_recipe
from tests.unit.api.shared import folders


@pytest.fixture
def recipe(tmp_path):
    """A recipe for a model of some family, as doctor reads it."""

    def make(name: str, model_type: str, platforms: list[str], **keys):
        folder = tmp_path / f"models/{name}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        (folder / "model.safetensors").write_bytes(b"weights")
        keys = {"model": str(folder), "task": "fill-mask", "platforms": platforms, "shapes": TEXT, **keys}
        return load_recipes([write_recipe(tmp_path / f"recipes/{name}.yaml", **keys)])

    return make


def looked_at(recipes, tmp_path, **changes):
    return outlook(recipes, folders(tmp_path, remotes=(), **changes))


def test_what_is_on_record_for_recipes_is_found_whether_or_not_it_is_built(tmp_path, recipe):
    recipes = [*recipe("words", "convbert", ["inf2", "cpu"]), *recipe("others", "bert", ["inf2"])]
    found = looked_at(recipes, tmp_path, sdk="2.31.0")
    assert [(each.recipe, each.platform) for each in found.warnings] == [("words", "inf2")]
    assert found.unplanned == []
    assert looked_at(recipes, tmp_path, sdk="2.30.0").warnings == []


def test_recipes_for_other_platforms_are_not_looked_at(tmp_path, recipe):
    found = looked_at(recipe("words", "convbert", ["cpu"], model="./nowhere"), tmp_path, sdk="2.31.0")
    assert (found.warnings, found.unplanned) == ([], [])


def test_recipes_that_cant_be_planned_are_named(tmp_path, recipe):
    recipes = [*recipe("lost", "bert", ["inf2"], model="./nowhere"), *recipe("words", "convbert", ["inf2"])]
    found = looked_at(recipes, tmp_path, sdk="2.31.0")
    assert found.unplanned == ["lost"]
    assert [each.recipe for each in found.warnings] == ["words"]
    assert looked_at(recipes, tmp_path).unplanned == ["lost", "words"]
