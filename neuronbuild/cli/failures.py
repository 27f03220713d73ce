"""Recipes that can't be used: told beside what came of the others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from neuronbuild.cli.options import recipe_paths
from neuronbuild.cli.output import say_error
from neuronbuild.errors import NeuronBuildError, RecipeError
from neuronbuild.recipe.load import read_recipes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.recipe.located import Located


def read(recipes: tuple[Path, ...], settings: Settings, failures: list[NeuronBuildError], *, recursive: bool) -> list[Located]:
    """The recipes that were named, or the usual folder's; `failures` gets what is wrong with others of them."""
    found, issues = read_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    if issues:
        failures.append(RecipeError(issues))
    return found


def tell(failures: Iterable[NeuronBuildError]) -> int:
    """Print errors on stderr, with their tracebacks under --debug; gives the exit status of the first, or 0."""
    statuses = []
    context = click.get_current_context(silent=True)
    debug = context is not None and bool(context.find_root().obj)
    for error in failures:
        say_error(error, debug=debug)
        statuses.append(error.exit_code)
    return statuses[0] if statuses else 0


@contextlib.contextmanager
def told_first(failures: Iterable[NeuronBuildError]) -> Iterator[None]:
    """Tell them before an error that ends the command meanwhile."""
    try:
        yield
    except NeuronBuildError:
        tell(failures)
        raise


def errors_json(failures: Iterable[NeuronBuildError]) -> dict[str, object]:
    """What `--json` says of recipes that can't be used, where there are any."""
    told = [{"message": error.message, "hint": error.hint} for error in failures]
    return {"errors": told} if told else {}
