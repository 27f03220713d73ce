"""`cache`: what the store holds, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.api.trusting import open_trust, signed_by
from neuronbuild.artifact.codec import encode
from neuronbuild.cli.cache_care import prune_command, restore_command, stats_command, verify_command
from neuronbuild.cli.cache_keys import keygen_command, sign_command
from neuronbuild.cli.cache_share import pull_command, push_command
from neuronbuild.cli.options import cache_option, json_option, settings_for
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import StoreError, UsageError
from neuronbuild.store.cas import recorded_keys
from neuronbuild.store.location import open_store

if TYPE_CHECKING:
    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.store.cas import CasStore


@click.group("cache")
def cache_group() -> None:
    """Look after the store."""


for command in (
    push_command,
    pull_command,
    verify_command,
    restore_command,
    prune_command,
    stats_command,
    keygen_command,
    sign_command,
):
    cache_group.add_command(command)


@cache_group.command("ls")
@cache_option
@json_option
def list_command(*, as_json: bool, **changes: object) -> None:
    """List the artifacts of the store."""
    rows = [_row(manifest) for manifest in _open(changes).manifests()]
    if as_json:
        put_json({"version": 1, "artifacts": rows})
        return
    for row in rows:
        put("  ".join(_cell(row[name]) for name in ("key", "kind", "task", "platform", "shape", "size", "built_at")))
    click.echo(f"{len(rows)} artifacts", err=True)


@cache_group.command("show")
@click.argument("key")
@click.option("--log", "show_log", is_flag=True, help="Print the compiler's log instead.")
@cache_option
def show_command(*, key: str, show_log: bool, **changes: object) -> None:
    """Print the manifest of the artifact whose KEY begins so."""
    store = _open(changes)
    found = [recorded for recorded in recorded_keys(store) if recorded.startswith(key)]
    if len(found) != 1:
        problem = "no artifact's key begins" if not found else f"{len(found)} artifacts' keys begin"
        raise UsageError(f"{problem} with {key}", hint="`neuronbuild cache ls` lists them")
    manifest = store.lookup(found[0])
    if manifest is None:
        raise StoreError(store.location, f"the manifest of {found[0]} can't be read", hint="run `neuronbuild cache verify`")
    if not show_log:
        put(encode(manifest).decode(), newline=False)
        click.echo(signed_by(manifest, open_trust(settings_for(**changes))), err=True)
        return
    log = store.read_blob(manifest.log) if manifest.log else None
    if log is None:
        raise UsageError(f"the log of {manifest.key} is not in the store")
    put(log.decode(errors="replace"), newline=False)


def _open(changes: dict[str, object]) -> CasStore:
    """The near store, or the far one that is named: by itself, and whoever signed what is in it."""
    settings = settings_for(**changes)
    return open_store(settings.remotes[0].location if changes.get("remote") else settings.cache)


def _cell(value: object) -> str:
    return ", ".join(f"{axis}={size}" for axis, size in value.items()) if isinstance(value, dict) else str(value)


def _row(manifest: Manifest) -> dict[str, object]:
    action = manifest.action
    toolchain = action.get("toolchain")
    return {
        "key": manifest.key,
        "kind": action.get("kind"),
        "task": action.get("task", "-"),
        "platform": toolchain.get("platform") if isinstance(toolchain, dict) else "-",
        "shape": action.get("shape", "-"),
        "size": sum(digest.size for digest in manifest.blobs()),
        "seconds": manifest.provenance.seconds,
        "built_at": manifest.provenance.built_at,
    }
