"""`cache`: what the store holds, and whether it is whole."""

from __future__ import annotations

import datetime
import json

import click

from neuronbuild.api.removing import find_keys, read_artifact
from neuronbuild.api.trusting import open_trust, signed_by
from neuronbuild.artifact.codec import encode
from neuronbuild.cli.artifacts import row_of, summary, table
from neuronbuild.cli.cache_care import prune_command, restore_command, stats_command, verify_command
from neuronbuild.cli.cache_keys import keygen_command, sign_command
from neuronbuild.cli.cache_share import pull_command, push_command
from neuronbuild.cli.commands import Commands
from neuronbuild.cli.options import cache_option, json_option, reader_for, settings_for, store_for
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.counts import counted, size_text
from neuronbuild.errors import UsageError
from neuronbuild.store.care.prune import remove_artifacts


@click.group("cache", cls=Commands)
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
    """List the artifacts of the store: key, model, task, shape, platform, size and age.

    The model is the one that an artifact was built for first: others of the same architecture may use it too.
    """
    rows = [row_of(manifest) for manifest in reader_for(changes).manifests()]
    if as_json:
        put_json({"version": 1, "artifacts": rows})
        return
    if rows:
        put(*table(rows, _now()))
    say(counted(len(rows), "artifact"))


@cache_group.command("show")
@click.argument("key")
@click.option("--log", "show_log", is_flag=True, help="Print the compiler's log instead.")
@cache_option
@json_option
def show_command(*, key: str, show_log: bool, as_json: bool, **changes: object) -> None:
    """Sum up the artifact whose KEY begins so; with --json, print its whole manifest."""
    store = reader_for(changes)
    [found] = find_keys(store, [key])
    manifest = read_artifact(store, found)
    if show_log:
        log = store.read_blob(manifest.log) if manifest.log else None
        if log is None:
            raise UsageError(f"the log of {manifest.key} is not in the store")
        put(*log.decode(errors="replace").removesuffix("\n").split("\n"))
    elif as_json:
        put_json(json.loads(encode(manifest)), indent=2)
        say(signed_by(manifest, open_trust(settings_for(**changes))))
    else:
        put(*(f"{name:10}{text}" for name, text in summary(manifest, _now())))
        put(signed_by(manifest, open_trust(settings_for(**changes))))


@cache_group.command("rm")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@cache_option
@json_option
def remove_command(*, keys: tuple[str, ...], as_json: bool, **changes: object) -> None:
    """Remove the artifacts whose KEYs begin so from the store or, with --remote, from the remote one.

    Their files go as well, but for those that something else names, and those that were used within the last hour, alone or
    with their artifact: these go with a later `cache prune`. Nothing else goes.
    """
    store = store_for(changes)
    found = find_keys(store, keys)
    freed = remove_artifacts(store, found)
    if as_json:
        put_json({"version": 1, "artifacts": found, "freed": freed})
    else:
        put(f"{counted(len(found), 'artifact')} removed, {size_text(freed)} freed")


def _now() -> datetime.datetime:
    return datetime.datetime.now(tz=datetime.UTC)
