"""`lock`: pin what recipes come to now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.api.prepare import lock
from neuronbuild.cli.options import platform_option, recipe_arguments, recipe_paths, settings_for
from neuronbuild.cli.output import put
from neuronbuild.recipe.load import load_recipes

if TYPE_CHECKING:
    from pathlib import Path


@click.command("lock")
@recipe_arguments
@platform_option
def lock_command(*, recipes: tuple[Path, ...], recursive: bool, **changes: object) -> None:
    """Write neuronbuild.lock: each model's commit and files, each platform's toolchain.

    With it, a machine without model, compiler or network plans the same keys. Commit it.
    """
    settings = settings_for(**changes)
    located = load_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    changed = lock(located, settings)
    put(f"{settings.lock} {'written' if changed else 'is up to date'}")
