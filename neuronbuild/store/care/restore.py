"""Bringing back what was put aside: every object is checked first, and what is damaged stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.store.care.verify import snapshot_fault
from neuronbuild.store.names import ACTIONS, BLOBS, QUARANTINE, SNAPSHOTS, digest_of, original_of

if TYPE_CHECKING:
    from neuronbuild.store.cas import CasStore

Check = Callable[["CasStore", str, str], "str | None"]

AT_A_TIME = 4

PRESENT = "another one is in its place"


@dataclass(frozen=True, slots=True)
class Restored:
    """How much was brought back, and why the rest stays aside: pairs of a name and a reason."""

    location: str
    artifacts: int
    blobs: int
    snapshots: int
    left: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, object]:
        """As `cache restore --json` prints it."""
        left = [{"name": name, "problem": problem} for name, problem in self.left]
        counts = {"artifacts": self.artifacts, "blobs": self.blobs, "snapshots": self.snapshots}
        return {"version": 1, "location": self.location, **counts, "left": left}


def restore_store(store: CasStore) -> Restored:
    """Bring back all that is sound and whose place is free. Who signed a record doesn't count: that is for readers to say.

    Raises:
        StoreError: the place can't be read or written.
    """
    aside = sorted(entry.name for entry in store.objects.list(QUARANTINE))
    left: dict[str, str] = dict.fromkeys(aside, "nothing of a store has such a name")
    originals = {name: original for name in aside if (original := original_of(name)) is not None}
    counts = []
    for prefix, check in KINDS:
        names = {name: original for name, original in originals.items() if original.startswith(prefix)}
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            problems = list(pool.map(partial(_bring_back, store, check), names.items()))
        for name, problem in zip(names, problems, strict=True):
            if problem is None:
                del left[name]
            else:
                left[name] = problem
        counts.append(problems.count(None))
    blobs, snapshots, artifacts = counts
    return Restored(store.location, artifacts, blobs, snapshots, tuple(sorted(left.items())))


def _check_blob(store: CasStore, name: str, sha256: str) -> str | None:
    actual = store.objects.digest(name)
    return None if actual is not None and actual.sha256 == sha256 else "it holds other bytes"


def _check_snapshot(store: CasStore, name: str, sha256: str) -> str | None:
    return snapshot_fault(sha256, store.objects.read(name) or b"")


def _check_record(store: CasStore, name: str, key: str) -> str | None:
    try:
        manifest = decode(Manifest, store.objects.read(name) or b"", newest=FORMAT)
    except DecodeError as error:
        return str(error)
    return "it is the manifest of another action" if manifest.key != key else store.missing(manifest)


KINDS: tuple[tuple[str, Check], ...] = ((BLOBS, _check_blob), (SNAPSHOTS, _check_snapshot), (ACTIONS, _check_record))
"""The check of each kind of object by the prefix of its names. Blobs are restored before the records that name them."""


def _bring_back(store: CasStore, check: Check, names: tuple[str, str]) -> str | None:
    """Give an object its original name again, unless a sound one has it by now; says why it stays in quarantine."""
    name, original = names
    digest = str(digest_of(original))
    problem = check(store, name, digest)
    if problem is not None:
        return problem
    if store.objects.size(original) is not None and check(store, original, digest) is None:
        return PRESENT
    store.objects.move(name, original)
    return None
