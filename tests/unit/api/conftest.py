"""Settings over a copy of the store that `built` filled, and recipes for what is in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api import Settings, load_recipes
from tests.conftest import TEXT, write_recipe
from tests.flows.stores import copy_store


@pytest.fixture
def settings(built, tmp_path) -> Settings:
    """The user's own for this machine, but for the store and the releases."""
    return replace(Settings(), cache=str(copy_store(built.cache, tmp_path / "store")), output=tmp_path / "releases")


@pytest.fixture
def recipe(models, tmp_path):
    """Make a recipe for `fill-mask`, with whatever differs, and load it."""

    def make(name: str = "one", **keys):
        keys = {"model": str(models["fill-mask"]), "shapes": TEXT, **keys}
        return load_recipes([write_recipe(tmp_path / f"recipes/{name}.yaml", **keys)])

    return make
