from __future__ import annotations

import re
from pathlib import Path

import pytest

from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.load import load_recipes
from neuronbuild.source.resolve import is_folder_reference
from neuronbuild.tasks import TASKS

RECIPES = Path(__file__).parents[2] / "recipes"
ZOO = RECIPES / "zoo"

LOADED = load_recipes([RECIPES], recursive=True)

every_recipe = pytest.mark.parametrize("located", LOADED, ids=lambda located: located.recipe.name)


@every_recipe
def test_a_recipe_names_its_task_and_expands(located):
    assert located.recipe.task in TASKS
    targets = expand(located, located.recipe.task)
    assert 0 < len(targets) <= 100
    assert len(set(targets)) == len(targets)


@every_recipe
def test_a_recipe_alone_is_the_recipe_in_its_folder(located):
    assert located.recipe in [alone.recipe for alone in load_recipes([located.path])]


@every_recipe
def test_a_model_is_on_the_hub_at_main_or_a_commit_or_comes_with_a_package(located):
    model, revision = located.recipe.model, located.recipe.revision
    if model.startswith("package:"):
        assert revision is None
    else:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model)
        assert not is_folder_reference(model)
        assert re.fullmatch(r"main|[0-9a-f]{40}", revision)


@every_recipe
def test_a_file_is_called_as_its_recipe(located):
    assert located.path.stem == located.recipe.name


@every_recipe
def test_no_recipe_brings_code_of_its_own(located):
    assert not located.recipe.trust_remote_code


def test_no_two_recipes_write_one_release():
    names = [
        (located.recipe.release.name or located.recipe.name, platform)
        for located in LOADED
        for platform in located.recipe.platforms
    ]
    assert len(set(names)) == len(names)


def test_the_zoo_has_a_recipe_for_every_task():
    assert {located.recipe.task for located in LOADED if located.path.parent == ZOO} == set(TASKS)


def test_the_zoo_is_for_neuron_devices_and_once_for_any_cpu():
    platforms = {located.recipe.name: set(located.recipe.platforms) for located in load_recipes([ZOO])}
    assert set.union(*platforms.values()) == {"inf2", "trn1", "trn2", "cpu"}
    assert all(names - {"cpu"} for names in platforms.values())


def test_the_zoo_shares_its_compiler_options():
    casts = {(located.recipe.compiler.auto_cast, located.recipe.compiler.auto_cast_type) for located in load_recipes([ZOO])}
    assert casts == {("matmul", "bf16")}
