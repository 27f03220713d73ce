"""`cache push` and `cache pull`: what a team shares."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from neuronbuild.api.sharing import pull, push
from neuronbuild.cli.failures import errors_json, read, tell, told_first
from neuronbuild.cli.options import cache_option, json_option, lock_options, recipe_arguments, settings_for
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.api.sharing import Moved
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.located import Located

    Move = Callable[[list[Located] | None, Settings, list[NeuronBuildError]], list[Moved]]


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
    move = functools.partial(push, weights=weights)
    return _moved(move, recipes, settings, recursive=recursive, as_json=as_json)


@click.command("pull")
@recipe_arguments
@cache_option
@lock_options
@json_option
def pull_command(*, recipes: tuple[Path, ...], recursive: bool, as_json: bool, **changes: object) -> int:
    """Fetch what the near store lacks: all that the far stores have, or what RECIPES need."""
    return _moved(pull, recipes, settings_for(**changes), recursive=recursive, as_json=as_json)


def _moved(move: Move, recipes: tuple[Path, ...], settings: Settings, *, recursive: bool, as_json: bool) -> int:
    """Move everything, or what the recipes that were named need; nothing where one of them can't be used."""
    failures: list[NeuronBuildError] = []
    located = read(recipes, settings, failures, recursive=recursive) if recipes else None
    with told_first(failures):
        moves = move(located, settings, failures)
        _show(moves, failures, as_json=as_json)
    return tell(failures) or (1 if any(moved.failures for moved in moves) else 0)


def _show(moves: list[Moved], failures: list[NeuronBuildError], *, as_json: bool) -> None:
    if as_json:
        put_json({"version": 1, "stores": [moved.as_json() for moved in moves], **errors_json(failures)})
    else:
        for moved in moves:
            there = f"{moved.present:,} {'was' if moved.present == 1 else 'were'} there"
            went = f"{counted(moved.artifacts, 'artifact')}, {counted(moved.size, 'byte')}; {there}"
            put(f"{moved.source} -> {moved.target}: {went}{f', {moved.signed} of them signed now' if moved.signed else ''}")
            say(*(f"  {line}" for line in (*moved.left_out, *moved.failures)))
