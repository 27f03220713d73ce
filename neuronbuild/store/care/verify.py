"""Reading a whole store and checking every byte: in parallel, in bounded memory, and going on where it was broken off."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import digest_json
from neuronbuild.files import UnsafeNameError, check_names, parse_json
from neuronbuild.memo import Memo
from neuronbuild.store.cas import CasStore
from neuronbuild.store.cas_reader import quarantine
from neuronbuild.store.names import action_name, blob_name, list_actions, list_blobs, list_snapshots, list_strays
from neuronbuild.store.trust import snapshot_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.store.objects.base import Entry


ABANDONED = 24 * 3600
"""Seconds after which a file that is being written has lost its writer."""

AT_A_TIME = 4
SAVED_EVERY = 10.0
"""Seconds of work that may have to be done again after an interruption."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that isn't what its name says, that is missing, or that can't be read."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and what is wrong.

    `unreadable` is what is there and isn't handed out, with what the place said: it wasn't checked, and stays where it is.
    `skipped` blobs were read before the last interruption. `newer` counts the records that a newer version wrote, and
    `untrusted` those that no trusted builder signed: neither is damage, and they stay where they are. `strays` are names of
    what lies there and is no object of the store: nothing reads, moves or removes it.
    """

    location: str
    artifacts: int
    blobs: int
    size: int
    damages: tuple[Damage, ...]
    skipped: int = 0
    newer: int = 0
    untrusted: int = 0
    strays: tuple[str, ...] = ()
    unreadable: tuple[Damage, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As `cache verify --json` prints it."""
        damages = [{"name": damage.name, "problem": damage.problem} for damage in self.damages]
        counts = {
            "artifacts": self.artifacts,
            "newer": self.newer,
            "untrusted": self.untrusted,
            "blobs": self.blobs,
            "bytes": self.size,
        }
        return {
            "version": 1,
            "location": self.location,
            **counts,
            "skipped": self.skipped,
            "damages": damages,
            "strays": list(self.strays),
            "unreadable": [{"name": each.name, "problem": each.problem} for each in self.unreadable],
        }


def verify_store(store: CasStore, *, repair: bool, progress: Path | None = None) -> VerifyReport:
    """Check every blob, manifest and snapshot. With `repair`, what is damaged is put aside and counts as missing from then on.

    `progress` is a file that says what an interrupted run has read already; it goes when a run comes to its end.

    Raises:
        StoreError: the place itself can't be read or written.
    """
    blobs = dict(list_blobs(store.objects))
    found, skipped = _check_blobs(store, list(blobs.items()), progress)
    bad = [damage for damage in found if damage]
    damaged = {damage.name for damage in bad}
    whole = {sha256: entry.size for sha256, entry in blobs.items() if entry.name not in damaged}
    manifests = [entry for _, entry in list_actions(store.objects)]
    snapshots = list(list_snapshots(store.objects))
    newer: list[str] = []
    untrusted: list[str] = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for damages in pool.map(lambda entry: list(_check_manifest(store, entry, whole, (newer, untrusted))), manifests):
            bad += damages
        bad += [damage for damage in pool.map(lambda found: _check_snapshot(store, *found), snapshots) if damage]
    if repair:
        for damage in bad:
            quarantine(store.objects, damage.name)
        store.objects.sweep(time.time() - ABANDONED)
    if progress is not None:
        progress.unlink(missing_ok=True)
    size = sum(entry.size for entry in blobs.values())
    strays = tuple(sorted(entry.name for entry in list_strays(store.objects)))
    unreadable = tuple(Damage(name, problem) for name, problem in sorted(store.objects.refused.items()))
    counts = skipped, len(newer), len(untrusted), strays, unreadable
    return VerifyReport(store.location, len(manifests), len(blobs), size, tuple(bad), *counts)


def _check_blobs(store: CasStore, blobs: list[tuple[str, Entry]], progress: Path | None) -> tuple[list[Damage | None], int]:
    memo = Memo(progress, _is_stamp)
    left = [(sha256, entry) for sha256, entry in blobs if memo.get(entry.name) != [entry.stamp]]
    found: list[Damage | None] = []
    saved = time.monotonic()
    try:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for (_, entry), damage in zip(left, pool.map(lambda found: _check_blob(store, *found), left), strict=True):
                found.append(damage)
                if damage is None and entry.name not in store.objects.refused:
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


def _check_blob(store: CasStore, sha256: str, entry: Entry) -> Damage | None:
    actual = store.objects.digest(entry.name)
    if actual is None or actual.sha256 == sha256:  # gone since it was listed, or not handed out: no damage
        return None
    return Damage(entry.name, f"it holds other bytes: SHA-256 {actual.sha256}")


def _check_manifest(
    store: CasStore, entry: Entry, whole: dict[str, int], apart: tuple[list[str], list[str]]
) -> Iterator[Damage]:
    """What is wrong with a record. `apart` takes the names of those of a newer version, and of those that aren't trusted."""
    newer, untrusted = apart
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
    if store.trust.objection(data) is not None:
        untrusted.append(entry.name)
    lacking = [file for file in manifest.files if whole.get(file.digest.sha256) != file.digest.size]
    missing = [file.path for file in lacking if blob_name(file.digest.sha256) not in store.objects.refused]
    if missing:
        yield Damage(entry.name, f"it names files whose bytes are missing or damaged: {', '.join(missing)}")


def _check_snapshot(store: CasStore, sha256: str, entry: Entry) -> Damage | None:
    data = store.objects.read(entry.name)
    fault = None if data is None else snapshot_fault(sha256, data)
    return None if fault is None else Damage(entry.name, fault)


def snapshot_fault(sha256: str, data: bytes) -> str | None:
    """Why bytes aren't the snapshot of that digest, or `None`."""
    try:
        loaded: Any = parse_json(data)
        actual = digest_json(snapshot_identity(loaded)).sha256
        check_names(loaded["files"])
    except UnsafeNameError as error:
        return str(error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "it is no snapshot"
    return None if actual == sha256 else f"its digest is {actual}"
