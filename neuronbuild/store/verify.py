"""Reading a whole store and checking every byte: in parallel, in bounded memory, and going on where it was broken off."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import digest_json, is_hex_digest
from neuronbuild.memo import Memo
from neuronbuild.store.cas import CasStore, quarantine
from neuronbuild.store.names import ACTIONS, BLOBS, SNAPSHOTS, action_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.store.objects import Entry


ABANDONED = 24 * 3600
"""Seconds after which a file that is being written has lost its writer."""

AT_A_TIME = 4
SAVED_EVERY = 10.0
"""Seconds of work that may have to be done again after an interruption."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that isn't what its name says, or that is missing."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and what is wrong.

    `skipped` blobs were read before the last interruption. `newer` counts the records that a newer version wrote: no damage,
    but not checked.
    """

    location: str
    artifacts: int
    blobs: int
    size: int
    damages: tuple[Damage, ...]
    skipped: int = 0
    newer: int = 0

    def as_json(self) -> dict[str, object]:
        """As `cache verify --json` prints it."""
        damages = [{"name": damage.name, "problem": damage.problem} for damage in self.damages]
        counts = {"artifacts": self.artifacts, "newer": self.newer, "blobs": self.blobs, "bytes": self.size}
        return {"version": 1, "location": self.location, **counts, "skipped": self.skipped, "damages": damages}


def verify_store(store: CasStore, *, repair: bool, progress: Path | None = None) -> VerifyReport:
    """Check every blob, manifest and snapshot. With `repair`, what is damaged is put aside and counts as missing from then on.

    `progress` is a file that says what an interrupted run has read already; it goes when a run comes to its end.

    Raises:
        StoreError: the place itself can't be read or written.
    """
    blobs = list(store.objects.list(BLOBS))
    found, skipped = _check_blobs(store, blobs, progress)
    bad = [damage for damage in found if damage]
    damaged = {damage.name for damage in bad}
    whole = {entry.name[-64:]: entry.size for entry in blobs if entry.name not in damaged}
    manifests = list(store.objects.list(ACTIONS))
    snapshots = list(store.objects.list(SNAPSHOTS))
    newer: list[str] = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for damages in pool.map(lambda entry: list(_check_manifest(store, entry, whole, newer)), manifests):
            bad += damages
        bad += [damage for damage in pool.map(lambda entry: _check_snapshot(store, entry), snapshots) if damage]
    if repair:
        for damage in bad:
            quarantine(store.objects, damage.name)
        store.objects.sweep(time.time() - ABANDONED)
    if progress is not None:
        progress.unlink(missing_ok=True)
    return VerifyReport(
        store.location, len(manifests), len(blobs), sum(entry.size for entry in blobs), tuple(bad), skipped, len(newer)
    )


def _check_blobs(store: CasStore, blobs: list[Entry], progress: Path | None) -> tuple[list[Damage | None], int]:
    memo = Memo(progress, _is_stamp)
    left = [entry for entry in blobs if memo.get(entry.name) != [entry.stamp]]
    found: list[Damage | None] = []
    saved = time.monotonic()
    try:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for entry, damage in zip(left, pool.map(lambda entry: _check_blob(store, entry), left), strict=True):
                found.append(damage)
                if damage is None:
                    memo.put(entry.name, [entry.stamp])
                if time.monotonic() - saved > SAVED_EVERY:
                    memo.save()
                    saved = time.monotonic()
    except BaseException:
        memo.save()
        raise
    return found, len(blobs) - len(left)


def _is_stamp(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], str)


def _check_blob(store: CasStore, entry: Entry) -> Damage | None:
    name = entry.name.rpartition("/")[2]
    if not is_hex_digest(name):
        return Damage(entry.name, "its name is no SHA-256")
    actual = store.objects.digest(entry.name)
    if actual is None or actual.sha256 == name:  # gone since it was listed: no damage
        return None
    return Damage(entry.name, f"it holds other bytes: SHA-256 {actual.sha256}")


def _check_manifest(store: CasStore, entry: Entry, whole: dict[str, int], newer: list[str]) -> Iterator[Damage]:
    data = store.objects.read(entry.name)
    if data is None:
        return
    try:
        manifest = decode(Manifest, data, newest=FORMAT)
    except DecodeError as error:
        if error.future:
            newer.append(entry.name)
        else:
            yield Damage(entry.name, str(error))
        return
    if entry.name != action_name(manifest.key):
        yield Damage(entry.name, f"it is the manifest of another action, {manifest.key}")
        return
    objection = store.trust.objection(data)
    if objection is not None:
        yield Damage(entry.name, objection)
        return
    missing = [file.path for file in manifest.files if whole.get(file.digest.sha256) != file.digest.size]
    if missing:
        yield Damage(entry.name, f"it names files whose bytes are missing or damaged: {', '.join(missing)}")


def _check_snapshot(store: CasStore, entry: Entry) -> Damage | None:
    data = store.objects.read(entry.name)
    if data is None:
        return None
    try:
        loaded = json.loads(data)
        identity = {name: loaded[name] for name in loaded if name not in {"license", "gated"}}
        actual = digest_json(identity).sha256
    except (ValueError, TypeError, RecursionError):
        return Damage(entry.name, "it is no snapshot")
    return None if entry.name.endswith(f"/{actual}.json") else Damage(entry.name, f"its digest is {actual}")
