"""`lock`: pin what recipes come to now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.api.prepare import lock
from neuronbuild.cli.failures import read, tell, told_first
from neuronbuild.cli.options import platform_option, recipe_arguments, settings_for
from neuronbuild.cli.output import put

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.errors import NeuronBuildError


@click.command("lock")
@recipe_arguments
@platform_option
def lock_command(*, recipes: tuple[Path, ...], recursive: bool, **changes: object) -> int:
    """Write neuronbuild.lock: each model's commit and files, each platform's toolchain.

    With it, a machine without model, compiler or network plans the same keys. Commit it.
    """
    settings = settings_for(**changes)
    failures: list[NeuronBuildError] = []
    located = read(recipes, settings, failures, recursive=recursive)
    with told_first(failures):
        changed = lock(located, settings, failures)
    if not failures:
        put(f"{settings.lock} {'written' if changed else 'is up to date'}")
    return tell(failures)
