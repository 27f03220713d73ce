"""`validate`: are the recipes right?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from neuronbuild.api.validating import validate
from neuronbuild.cli.options import json_option, recipe_arguments, recipe_paths, settings_for
from neuronbuild.cli.output import put, put_json
from neuronbuild.counts import counted
from neuronbuild.errors import RecipeError
from neuronbuild.recipe.load import read_recipes

if TYPE_CHECKING:
    from pathlib import Path


@click.command("validate")
@recipe_arguments
@json_option
def validate_command(*, recipes: tuple[Path, ...], recursive: bool, as_json: bool) -> int:
    """Check recipes, with all that is wrong in all of them: keys, grids, model folders that aren't there, compiler flags.

    Looks into no model: the grid of a recipe without a `task` is checked by `plan`, since only its model tells which axes it
    needs.
    """
    try:
        count = _validate(recipes, recursive=recursive)
    except RecipeError as error:
        if not as_json:
            raise
        put_json({"version": 1, "recipes": None, "issues": [asdict(issue) for issue in error.issues]})
        return error.exit_code
    if as_json:
        put_json({"version": 1, "recipes": count, "issues": []})
    else:
        put(f"{counted(count, 'recipe')}, no faults")
    return 0


def _validate(recipes: tuple[Path, ...], *, recursive: bool) -> int:
    """How many recipes there are, once nothing is wrong with them."""
    settings = settings_for()
    located, faults = read_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    issues = [*faults, *validate(located, settings)]
    if issues:
        raise RecipeError(issues)
    return len(located)
