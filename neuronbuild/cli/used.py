"""Which toolchains recipes use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.cli.options import RECIPES
from neuronbuild.recipe.grid import options_for
from neuronbuild.recipe.load import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.recipe.located import Located

ANY_TASK = "feature-extraction"
"""Stands for the task of a recipe that names none: only its model tells that."""


@dataclass(frozen=True, slots=True)
class Used:
    """What recipes use: by toolchain, the recipes and the platforms; how much is wrong with recipes, and those that are not."""

    recipes: dict[str, list[str]]
    platforms: dict[str, list[str]]
    faults: int = 0
    located: list[Located] = field(default_factory=list)


def used_by(paths: tuple[Path, ...], settings: Settings) -> Used | None:
    """What the recipes use that are named, or those of the usual folder; `None` where there are none."""
    if not paths and not RECIPES.is_dir():
        return None
    found, issues = read_recipes(paths or (RECIPES,), defaults=settings.defaults)
    if not found:
        return None if not issues else Used({}, {}, len(issues))
    recipes: dict[str, list[str]] = {}
    platforms: dict[str, list[str]] = {}
    for recipe in (located.recipe for located in found):
        for platform in recipe.platforms:
            name = options_for(recipe, platform, recipe.task or ANY_TASK).toolchain
            for kept, value in ((recipes, recipe.name), (platforms, platform)):
                if value not in kept.setdefault(name, []):
                    kept[name].append(value)
    return Used(recipes, platforms, len(issues), found)
