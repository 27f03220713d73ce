"""`trust`: agree to run what a workspace brings along."""

from __future__ import annotations

from pathlib import Path

import click

from neuronbuild.api.consent import give_consent
from neuronbuild.cli.output import put
from neuronbuild.recipe.load import load_workspace


@click.command("trust")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
def trust_command(*, folder: Path) -> None:
    """Let the interpreters that FOLDER's workspace brings along be run by `plan`, `apply` and `doctor`.

    Needed once for each workspace whose neuronbuild.yaml names an interpreter of its own (toolchains.*.python), and again when
    it names another. Look at them first: they run with your rights.
    """
    workspace, base = load_workspace(folder.resolve())
    agreed = give_consent(workspace.toolchains, base)
    for name, place in agreed.items():
        put(f"toolchains.{name}.python: {place}")
    put(f"{base}: {len(agreed)} trusted" if agreed else f"{base} brings no interpreter along: nothing is to be trusted")
