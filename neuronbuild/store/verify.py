"""Reading a whole store and checking every byte."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import digest_file, digest_json, is_hex_digest
from neuronbuild.store.cas import ACTIONS, BLOBS, SNAPSHOTS, CasStore, action_name
from neuronbuild.store.local import LocalObjects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.store.objects import Entry


ABANDONED = 24 * 3600
"""Seconds after which a file that is being written has lost its writer."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that isn't what its name says, or that is missing."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and what is wrong. `newer` counts the records that a newer version wrote: no damage, but not checked."""

    artifacts: int
    blobs: int
    size: int
    damages: tuple[Damage, ...]
    newer: int = 0

    def as_json(self) -> dict[str, object]:
        """As `cache verify --json` prints it."""
        damages = [{"name": damage.name, "problem": damage.problem} for damage in self.damages]
        counts = {"artifacts": self.artifacts, "newer": self.newer, "blobs": self.blobs, "bytes": self.size}
        return {"version": 1, **counts, "damages": damages}


def verify_store(store: CasStore, *, repair: bool) -> VerifyReport:
    """Check every blob, manifest and snapshot. With `repair`, what is damaged is put aside and counts as missing from then on.

    Raises:
        StoreError: the place itself can't be read or written.
    """
    blobs = list(store.objects.list(BLOBS))
    bad = [damage for entry in blobs if (damage := _check_blob(store, entry))]
    damaged = {damage.name for damage in bad}
    whole = {entry.name[-64:] for entry in blobs if entry.name not in damaged}
    manifests = list(store.objects.list(ACTIONS))
    newer: list[str] = []
    bad += [damage for entry in manifests for damage in _check_manifest(store, entry, whole, newer)]
    bad += [damage for entry in store.objects.list(SNAPSHOTS) if (damage := _check_snapshot(store, entry))]
    if repair:
        for damage in bad:
            store.quarantine(damage.name)
        _sweep(store)
    return VerifyReport(len(manifests), len(blobs), sum(entry.size for entry in blobs), tuple(bad), len(newer))


def _sweep(store: CasStore) -> None:
    """Remove what killed builds left half written."""
    if isinstance(store.objects, LocalObjects):
        for file in store.objects.path("tmp").glob("*"):
            if time.time() - file.stat().st_mtime > ABANDONED:
                file.unlink(missing_ok=True)


def _check_blob(store: CasStore, entry: Entry) -> Damage | None:
    name = entry.name.rpartition("/")[2]
    if not is_hex_digest(name):
        return Damage(entry.name, "its name is no SHA-256")
    if isinstance(store.objects, LocalObjects):
        actual = digest_file(store.objects.path(entry.name)).sha256
    else:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / name
            actual = digest_file(copy).sha256 if store.objects.fetch(entry.name, copy) else "gone"
    return None if actual == name else Damage(entry.name, f"it holds other bytes: SHA-256 {actual}")


def _check_manifest(store: CasStore, entry: Entry, whole: set[str], newer: list[str]) -> Iterator[Damage]:
    data = store.objects.read(entry.name)
    try:
        manifest = decode(Manifest, data or b"", newest=FORMAT)
    except DecodeError as error:
        if error.future:
            newer.append(entry.name)
        else:
            yield Damage(entry.name, str(error))
        return
    if entry.name != action_name(manifest.key):
        yield Damage(entry.name, f"it is the manifest of another action, {manifest.key}")
        return
    missing = [file.path for file in manifest.files if file.digest.sha256 not in whole]
    if missing:
        yield Damage(entry.name, f"it names files whose bytes are missing or damaged: {', '.join(missing)}")


def _check_snapshot(store: CasStore, entry: Entry) -> Damage | None:
    data = store.objects.read(entry.name) or b""
    try:
        loaded = json.loads(data)
        identity = {name: loaded[name] for name in loaded if name not in {"license", "gated"}}
    except (ValueError, TypeError):
        return Damage(entry.name, "it is no snapshot")
    actual = digest_json(identity).sha256
    return None if entry.name.endswith(f"/{actual}.json") else Damage(entry.name, f"its digest is {actual}")
