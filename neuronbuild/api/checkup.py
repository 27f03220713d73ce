"""What `doctor` says of far stores and keys: whether the stores answer, what they allow, and who trusts what is built here."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.errors import StoreError, UsageError
from neuronbuild.store.location import Remote, is_remote, open_objects
from neuronbuild.store.names import ACTIONS, probe_name
from neuronbuild.store.objects.s3.location import shown_location
from neuronbuild.store.trust import check_public_key, public_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.api.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and what helps where it isn't well.

    `needed` says that `cpu` builds fail without it.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False


def check_stores(settings: Settings) -> Iterator[Finding]:
    """Each store that isn't on this machine's disk: is it reachable, may it be listed, may it be written?

    A small object is put there and removed again, unless the store is only read.
    """
    near = [Remote(settings.cache)] if is_remote(settings.cache) else []
    places = [*(("store", remote) for remote in near), *(("remote", remote) for remote in settings.remotes)]
    for number, (name, remote) in enumerate(places):
        yield _check(name if number < len(near) + 1 else f"{name} {number - len(near) + 1}", remote)


def _check(name: str, remote: Remote) -> Finding:
    shown = shown_location(remote.location)
    try:
        objects = open_objects(remote.location)
        folder = objects.local_path()
        if folder is not None:
            return _check_folder(name, folder, remote)
        next(iter(objects.list(ACTIONS)), None)
    except StoreError as error:
        return Finding(name, ok=False, found=f"{shown}: {error.problem}", advice=error.hint or "")
    if remote.read_only:
        return Finding(name, ok=True, found=f"{shown}: reachable, may be listed, is only read")
    probe = probe_name(uuid.uuid4().hex)
    try:
        objects.write(probe, b"probe", None)
        objects.delete(probe)
    except StoreError as error:
        found = f"{shown}: reachable, may be listed, may not be written: {error.problem}"
        return Finding(name, ok=False, found=found, advice=error.hint or "")
    return Finding(name, ok=True, found=f"{shown}: reachable, may be listed, may be written")


def _check_folder(name: str, folder: Path, remote: Remote) -> Finding:
    if not folder.is_dir():
        return Finding(name, ok=False, found=f"{folder}: there is no such folder", advice="the first push makes it")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding(name, ok=False, found=f"{folder}: may not be read", advice="ask its owner")
    if remote.read_only or os.access(folder, os.W_OK):
        rights = "is only read" if remote.read_only else "may be written"
        return Finding(name, ok=True, found=f"{folder}: may be listed, {rights}")
    advice = "ask its owner, or say `read_only: true`"
    return Finding(name, ok=False, found=f"{folder}: may be listed, may not be written", advice=advice)


def check_keys(settings: Settings) -> Finding:
    """Whether the keys that are named are keys, and whether those who trust some would use what is built here."""
    try:
        trusted = tuple(map(check_public_key, settings.trusted_keys))
        own = None if settings.signing_key is None else public_key(settings.signing_key)
    except UsageError as error:
        return Finding("keys", ok=False, found=error.message, advice=error.hint or "")
    if own is None and not trusted:
        return Finding("keys", ok=True, found="none: artifacts of everybody are used, and nothing is signed")
    signs = "nothing built here is signed with a key that others could trust" if own is None else f"signs as {own}"
    found = f"{len(trusted) or 'no'} trusted, {signs}"
    if trusted and own is None:
        return Finding("keys", ok=False, found=found, advice="a builder names a `signing_key`; a reader needs none")
    if trusted and own not in trusted:
        advice = "add it to `trusted_keys`, here and wherever this machine's artifacts are to be used"
        return Finding("keys", ok=False, found=f"{found}, which is not among them", advice=advice)
    return Finding("keys", ok=True, found=found)
