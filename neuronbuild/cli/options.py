"""Options that commands share, and the settings that they come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from neuronbuild.api.settings import workspace_settings
from neuronbuild.cli.output import current_folder
from neuronbuild.platforms import PLATFORMS
from neuronbuild.store.location import Remote, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.api.settings import Settings
    from neuronbuild.store.base import ArtifactReader
    from neuronbuild.store.cas import CasStore

Function = TypeVar("Function", bound="Callable[..., Any]")

RECIPES = Path("recipes")
"""Where recipes are looked for unless told otherwise."""


def recipe_arguments(function: Function) -> Function:
    """Recipes to read, and how deep."""
    function = click.option("--recursive", is_flag=True, help="Read folders at any depth.")(function)
    return click.argument("recipes", nargs=-1, type=click.Path(path_type=Path), metavar="[RECIPES]...")(function)


def cache_option(function: Function) -> Function:
    """The near store, and the far one."""
    function = click.option(
        "--remote", metavar="LOCATION", help="A far store: s3://bucket/prefix, or a folder. Default: the workspace's."
    )(function)
    return click.option(
        "--cache", metavar="LOCATION", help="The store: a folder. Default: cache/ of the workspace or the current folder."
    )(function)


def lock_options(function: Function) -> Function:
    """How the lock counts."""
    return click.option(
        "--locked", is_flag=True, default=None, help="Exit with 2 if anything differs from neuronbuild.lock, or there is none."
    )(function)


def platform_option(function: Function) -> Function:
    """A choice among the recipes' platforms."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        type=click.Choice(list(PLATFORMS)),
        help="Only this platform of the recipes; may be repeated.",
    )(function)


def sdk_option(function: Function) -> Function:
    """The release of the Neuron SDK to plan for."""
    return click.option(
        "--sdk", metavar="RELEASE", help="Plan for this release of the Neuron SDK, such as 2.31.0, whatever is installed."
    )(function)


def json_option(function: Function) -> Function:
    """Output for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else there.")(function)


def settings_for(**changes: object) -> Settings:
    """The workspace's settings, with what the command line says; `None` and empty tuples say nothing."""
    said = {name: value for name, value in changes.items() if value is not None and value != ()}
    remote = said.pop("remote", None)
    if remote is not None:
        said["remotes"] = (Remote(str(remote)),)
    return replace(workspace_settings(current_folder()), **said)  # type: ignore[arg-type]  # names and types as in Settings


def store_for(changes: dict[str, object]) -> CasStore:
    """The near store, or the far one that is named: by itself, and whoever signed what is in it."""
    settings = settings_for(**changes)
    return open_store(settings.remotes[0].location if changes.get("remote") else settings.cache)


def reader_for(changes: dict[str, object]) -> ArtifactReader:
    """The same, for commands that only read."""
    return store_for(changes)


def recipe_paths(recipes: tuple[Path, ...]) -> tuple[Path, ...]:
    """What was named, or the usual folder."""
    return recipes or (RECIPES,)
