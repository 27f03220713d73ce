"""`validate`: are the recipes right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.cli.options import recipe_arguments, recipe_paths, settings_for
from neuronbuild.recipe.load import load_recipes

if TYPE_CHECKING:
    from pathlib import Path


@click.command("validate")
@recipe_arguments
def validate_command(*, recipes: tuple[Path, ...], recursive: bool) -> None:
    """Check recipes, with all that is wrong in all of them. Looks at no model."""
    settings = settings_for()
    located = load_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    click.echo(f"{len(located)} recipe{'s' if len(located) != 1 else ''}, no faults")
