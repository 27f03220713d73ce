"""`cache`: what the store holds, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuronbuild.artifact.codec import encode
from neuronbuild.cli.options import cache_option, json_option, settings_for
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import NEWER, StoreError, UsageError
from neuronbuild.store.cas import recorded_keys
from neuronbuild.store.local import LocalObjects
from neuronbuild.store.location import open_store
from neuronbuild.store.verify import verify_store

if TYPE_CHECKING:
    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.store.cas import CasStore


@click.group("cache")
def cache_group() -> None:
    """Look after the store."""


@cache_group.command("ls")
@cache_option
@json_option
def list_command(*, cache: str | None, as_json: bool) -> None:
    """List the artifacts of the store."""
    rows = [_row(manifest) for manifest in _open(cache).manifests()]
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
def show_command(*, key: str, show_log: bool, cache: str | None) -> None:
    """Print the manifest of the artifact whose KEY begins so."""
    store = _open(cache)
    found = [recorded for recorded in recorded_keys(store) if recorded.startswith(key)]
    if len(found) != 1:
        problem = "no artifact's key begins" if not found else f"{len(found)} artifacts' keys begin"
        raise UsageError(f"{problem} with {key}", hint="`neuronbuild cache ls` lists them")
    manifest = store.lookup(found[0])
    if manifest is None:
        raise StoreError(store.location, f"the manifest of {found[0]} can't be read", hint="run `neuronbuild cache verify`")
    if not show_log:
        put(encode(manifest).decode(), newline=False)
        return
    log = store.read_blob(manifest.log) if manifest.log else None
    if log is None:
        raise UsageError(f"the log of {manifest.key} is not in the store")
    put(log.decode(errors="replace"), newline=False)


@cache_group.command("verify")
@click.option("--repair", is_flag=True, help="Put what is damaged aside, so that the next apply builds it again.")
@cache_option
@json_option
def verify_command(*, repair: bool, cache: str | None, as_json: bool) -> int:
    """Read every byte of the store and check it against its digest. Exits with 1 if anything is damaged."""
    store = _open(cache)
    if (
        isinstance(store.objects, LocalObjects) and not store.objects.root.is_dir()
    ):  # else a wrong name would pass for a sound store
        hint = "`neuronbuild apply` makes it; another one is named with --cache"
        raise StoreError(store.location, "there is no such folder", hint=hint)
    report = verify_store(store, repair=repair)
    if as_json:
        put_json(report.as_json())
    else:
        for damage in report.damages:
            put(f"{damage.name}: {damage.problem}")
        newer = f" ({report.newer} {NEWER}, not checked)" if report.newer else ""
        counts = f"{report.artifacts} artifacts{newer}, {report.blobs} blobs, {report.size:,} bytes read"
        put(f"{counts}, {len(report.damages)} damaged")
    return 1 if report.damages else 0


def _open(cache: str | None) -> CasStore:
    return open_store(settings_for(cache=cache).cache)


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
