from __future__ import annotations

from pathlib import Path

from neuronbuild.api.wanted import Wanted, wanted_of
from neuronbuild.recipe.located import Located
from neuronbuild.recipe.schema import Recipe
from neuronbuild.recipe.yaml_tree import Document

RECIPE = {
    "name": "r",
    "model": "org/sd",
    "revision": "main",
    "lora": ["org/ink", {"model": "./many", "weights": "gold.safetensors"}],
    "controlnet": {"model": "org/edges", "revision": "v1"},
}
BASE = Path("/work/recipes")


def wanted():
    return wanted_of(Located(Recipe.model_validate(RECIPE), BASE / "r.yaml", Document(RECIPE)))


def test_every_model_of_a_recipe_has_a_folder():
    assert list(wanted()) == ["", "lora_0", "lora_1", "controlnet_0"]


def test_a_lora_is_named_with_its_file():
    assert [each.name for each in wanted().values()] == [
        "org/sd", "org/ink/pytorch_lora_weights.safetensors", "./many/gold.safetensors", "org/edges",
    ]  # fmt: skip


def test_the_keys_lead_to_what_names_it():
    assert [each.keys for each in wanted().values()] == [("model",), ("lora", 0), ("lora", 1), ("controlnet", 0)]


def test_a_path_is_locked_with_its_recipes_folder():
    found = wanted()
    assert found["lora_1"].locked_as(Path("/work")) == ("./many/gold.safetensors", None, "recipes")
    assert found["controlnet_0"].locked_as(Path("/work")) == ("org/edges", "v1", "")


def test_two_that_are_wanted_alike_are_one():
    assert Wanted("org/sd", None, BASE) == Wanted("org/sd", None, BASE)
