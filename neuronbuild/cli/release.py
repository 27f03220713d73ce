"""`release verify`: whether a release is whole, and who signed it."""

from __future__ import annotations

from pathlib import Path

import click

from neuronbuild.api.auditing import audit_release
from neuronbuild.cli.commands import Commands
from neuronbuild.cli.options import json_option
from neuronbuild.cli.output import put, put_json
from neuronbuild.counts import counted


@click.group("release", cls=Commands)
def release_group() -> None:
    """Look at release folders, wherever they are."""


@release_group.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--trusted-key", "keys", multiple=True, metavar="KEY", help="A public key (ed25519:...); may be repeated.")
@json_option
def verify_release_command(*, folder: Path, keys: tuple[str, ...], as_json: bool) -> int:
    """Read every byte of the release in FOLDER, and say who signed it. Exits with 1 if anything is wrong.

    With --trusted-key, one of these keys must have signed all of it. Needs no workspace, store or compiler.
    """
    audit = audit_release(folder, keys)
    if as_json:
        put_json(audit.as_json())
        return 1 if audit.problems else 0
    for problem in audit.problems:
        put(problem)
    put(f"{audit.folder}: {counted(audit.files, 'file')}, {counted(audit.size, 'byte')} read, {len(audit.problems)} wrong")
    put(f"signed by {_names(audit.signers)}; its compiled code by {_names(audit.code_signers)}")
    return 1 if audit.problems else 0


def _names(keys: tuple[str, ...]) -> str:
    return ", ".join(keys) or "nobody"
