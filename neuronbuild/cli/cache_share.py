"""`cache push` and `cache pull`: what a team shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.api.sharing import pull, push
from neuronbuild.cli.options import cache_option, json_option, lock_options, recipe_arguments, settings_for
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.counts import counted
from neuronbuild.recipe.load import load_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.api.sharing import Moved
    from neuronbuild.recipe.located import Located


@click.command("push")
@recipe_arguments
@cache_option
@lock_options
@json_option
@click.option("--weights", is_flag=True, help="Send the files of the recipes' models as well: name the RECIPES.")
def push_command(*, recipes: tuple[Path, ...], recursive: bool, weights: bool, as_json: bool, **changes: object) -> int:
    """Send what the far stores lack: all of the near store, or what RECIPES need.

    Weights of a model that is gated or states no licence are left out, unless `share_weights` in neuronbuild.yaml names it.
    """
    settings = settings_for(**changes)
    return _tell(push(_load(recipes, settings, recursive=recursive), settings, weights=weights), as_json=as_json)


@click.command("pull")
@recipe_arguments
@cache_option
@lock_options
@json_option
def pull_command(*, recipes: tuple[Path, ...], recursive: bool, as_json: bool, **changes: object) -> int:
    """Fetch what the near store lacks: all that the far stores have, or what RECIPES need."""
    settings = settings_for(**changes)
    return _tell(pull(_load(recipes, settings, recursive=recursive), settings), as_json=as_json)


def _load(recipes: tuple[Path, ...], settings: Settings, *, recursive: bool) -> list[Located] | None:
    return load_recipes(recipes, defaults=settings.defaults, recursive=recursive) if recipes else None


def _tell(moves: list[Moved], *, as_json: bool) -> int:
    if as_json:
        put_json({"version": 1, "stores": [moved.as_json() for moved in moves]})
    else:
        for moved in moves:
            there = f"{moved.present:,} {'was' if moved.present == 1 else 'were'} there"
            went = f"{counted(moved.artifacts, 'artifact')}, {counted(moved.size, 'byte')}; {there}"
            put(f"{moved.source} -> {moved.target}: {went}{f', {moved.signed} of them signed now' if moved.signed else ''}")
            say(*(f"  {line}" for line in (*moved.left_out, *moved.failures)))
    return 1 if any(moved.failures for moved in moves) else 0
