"""`validate`: are the recipes right?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from neuronbuild.cli.options import json_option, recipe_arguments, recipe_paths, settings_for
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import RecipeError
from neuronbuild.recipe.grid import grid_issues
from neuronbuild.recipe.load import load_recipes

if TYPE_CHECKING:
    from pathlib import Path


@click.command("validate")
@recipe_arguments
@json_option
def validate_command(*, recipes: tuple[Path, ...], recursive: bool, as_json: bool) -> int:
    """Check recipes and their grids, with all that is wrong in all of them. Looks at no model.

    The grid of a recipe without a `task` is checked by `plan`: only its model tells which axes it needs.
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
        put(f"{count} recipe{'s' if count != 1 else ''}, no faults")
    return 0


def _validate(recipes: tuple[Path, ...], *, recursive: bool) -> int:
    """How many recipes there are, once nothing is wrong with them."""
    settings = settings_for()
    located = load_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    issues = grid_issues(located)
    if issues:
        raise RecipeError(issues)
    return len(located)
