"""Making room: least recently used artifacts go, by age or until the rest fits; manifests first, then blobs nobody names.

Nothing that was used within the grace period is touched: whoever reads an artifact, or adds a blob that is there already,
marks it as used. An artifact that was chosen and is used before it is removed stays, with all its blobs. So a prune runs safely
beside builds and readers.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from neuronbuild.artifact.manifest import Manifest
from neuronbuild.files import parse_json
from neuronbuild.store.cas_reader import understand
from neuronbuild.store.names import blob_name, list_actions, list_blobs, list_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.cas import CasStore
    from neuronbuild.store.objects.base import Entry

AT_A_TIME = 8
DIGESTS = re.compile(rb"[0-9a-f]{64}")
LEAST_GRACE = 2.0
"""Grace is at least so many times what a place takes for still fresh: within that, uses aren't noted."""

GRACE = 3600.0
"""Seconds within which what was used is left alone, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may stay: bytes in all, seconds since the last use, seconds that everything is left alone, and what is kept."""

    max_size: int | None = None
    max_age: float | None = None
    grace: float = GRACE
    keep: Callable[[Manifest], bool] = lambda _: False
    keep_blobs: frozenset[str] = frozenset()


NAMED = "named by the lock, a release or --keep"
USED = "used within the grace period"
WITHIN = "within the limits"
FILES = "files of models that the store holds"
UNNAMED = "put there or used within the grace period, that no artifact names"
OF_FILES = frozenset({FILES, UNNAMED})
"""Reasons that are about files, and not about artifacts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays for one reason: how many artifacts or files, and the bytes that they take; shared files count once in each."""

    reason: str
    number: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go: artifacts, blobs, bytes, what killed writers left unfinished; and what is left."""

    location: str
    artifacts: tuple[ActionKey, ...]
    blobs: int
    freed: int
    left: int
    unfinished: int = 0
    kept: tuple[Kept, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As `cache prune --json` prints it."""
        counts = {"blobs": self.blobs, "freed": self.freed, "left": self.left, "unfinished": self.unfinished}
        kept = [asdict(each) for each in self.kept]
        return {"version": 1, "location": self.location, "artifacts": list(self.artifacts), **counts, "kept": kept}


@dataclass(frozen=True, slots=True)
class _Listed:
    """An artifact, as far as a prune looks at it."""

    key: ActionKey
    entry: Entry
    blobs: frozenset[str]
    kept: bool


def prune_store(store: CasStore, rules: Rules, *, dry_run: bool) -> Pruned:
    """Remove what the rules don't let stay.

    Raises:
        StoreError: the place can't be read or written.
    """
    now = time.time()
    old = _in_use_since(store, rules.grace)
    blobs = dict(list_blobs(store.objects))
    listed = _look_at_all(store, rules)
    stay = rules.keep_blobs | _of_snapshots(store)
    victims = _choose(listed, blobs, rules, stay, (now, old))
    if not dry_run:
        removed = _remove(store, [victim.entry for victim in victims], old)
        victims = [victim for victim in victims if victim.entry.name in removed]
    gone = {victim.entry.name for victim in victims}
    named = {sha256 for each in listed if each.entry.name not in gone for sha256 in each.blobs}
    named |= stay
    free = [entry for sha256, entry in blobs.items() if sha256 not in named and entry.used < old]
    if not dry_run:
        removed = _remove(store, free, old)
        free = [entry for entry in free if entry.name in removed]
    names = {entry.name for entry in free}
    fresh = [entry for sha256, entry in blobs.items() if sha256 not in named and entry.name not in names]
    freed = sum(entry.size for entry in free) + sum(victim.entry.size for victim in victims)
    total = sum(entry.size for entry in blobs.values()) + sum(each.entry.size for each in listed)
    unfinished = store.objects.sweep(now - rules.grace, dry_run=dry_run)
    kept = _kept([each for each in listed if each.entry.name not in gone], blobs, stay, old)
    kept += (Kept(UNNAMED, len(fresh), sum(entry.size for entry in fresh)),) if fresh else ()
    keys = tuple(victim.key for victim in victims)
    return Pruned(store.location, keys, len(free), freed, total - freed, unfinished, kept)


def remove_artifacts(store: CasStore, keys: Collection[ActionKey]) -> int:
    """Remove artifacts, used or not, with the blobs that only they name; gives the bytes that went.

    A blob stays that was used within the grace period, alone or with its artifact: it counts as used now, so that a prune
    leaves it to whoever reads it. Nothing else in the store is touched.

    Raises:
        StoreError: the place can't be read or written.
    """
    old, listed = _in_use_since(store, GRACE), _look_at_all(store, Rules())
    named = {sha256 for each in listed if each.key not in keys for sha256 in each.blobs} | _of_snapshots(store)
    freed = 0
    for each in (each for each in listed if each.key in keys):
        name, alone = each.entry.name, [blob_name(sha256) for sha256 in each.blobs - named]
        found = store.objects.stat(name)
        in_use = found is not None and found.used >= old
        for blob in alone if in_use else ():
            store.objects.touch(blob)
        store.objects.delete(name)
        blobs = [] if in_use else list(filter(None, map(store.objects.stat, alone)))
        gone = _remove(store, blobs, old)
        freed += each.entry.size + sum(entry.size for entry in blobs if entry.name in gone)
    return freed


def _in_use_since(store: CasStore, grace: float) -> float:
    """The time, in seconds since 1970, since when what was used is in use."""
    return time.time() - max(grace, LEAST_GRACE * store.objects.fresh)


def _look_at_all(store: CasStore, rules: Rules) -> list[_Listed]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda found: _look(store, found[0], found[1], rules), list_actions(store.objects)))


def _kept(listed: list[_Listed], blobs: dict[str, Entry], stay: frozenset[str], old: float) -> tuple[Kept, ...]:
    """What stays, by the first reason that it has."""
    by_reason: dict[str, list[_Listed]] = {NAMED: [], USED: [], WITHIN: []}
    for each in listed:
        by_reason[NAMED if each.kept else USED if each.entry.used >= old else WITHIN].append(each)
    found = []
    for reason, some in by_reason.items():
        shas = {sha256 for each in some for sha256 in each.blobs if sha256 in blobs}
        size = sum(each.entry.size for each in some) + sum(blobs[sha256].size for sha256 in shas)
        found.append(Kept(reason, len(some), size))
    files = stay & blobs.keys()
    found.append(Kept(FILES, len(files), sum(blobs[sha256].size for sha256 in files)))
    return tuple(each for each in found if each.number)


def _look(store: CasStore, key: ActionKey, entry: Entry, rules: Rules) -> _Listed:
    data = store.objects.read(entry.name) or b""
    manifest = understand(store, key, data)
    if not isinstance(manifest, Manifest):  # a newer version's, for one: whatever looks like a digest may be a blob of it
        return _Listed(key, entry, frozenset(map(bytes.decode, DIGESTS.findall(data))), kept=False)
    blobs = {digest.sha256 for digest in manifest.blobs()}
    return _Listed(key, entry, frozenset(blobs | ({manifest.log.sha256} if manifest.log else set())), rules.keep(manifest))


def _choose(
    listed: list[_Listed], blobs: dict[str, Entry], rules: Rules, stay: frozenset[str], times: tuple[float, float]
) -> list[_Listed]:
    """Artifacts that are to go, the least recently used first."""
    now, old = times
    candidates = sorted(
        (each for each in listed if not each.kept and each.entry.used < old),
        key=lambda each: (each.entry.used, each.entry.name),
    )
    users: dict[str, int] = {}
    for each in listed:
        for sha256 in each.blobs:
            users[sha256] = users.get(sha256, 0) + 1
    size = sum(each.entry.size for each in listed)
    size += sum(entry.size for sha256, entry in blobs.items() if sha256 in users or sha256 in stay or entry.used >= old)
    victims = []
    for each in candidates:
        too_old = rules.max_age is not None and each.entry.used < now - rules.max_age
        too_much = rules.max_size is not None and size > rules.max_size
        if too_old or too_much:
            victims.append(each)
            size -= each.entry.size
            for sha256 in each.blobs:
                users[sha256] -= 1
                if not users[sha256] and sha256 in blobs and sha256 not in stay:
                    size -= blobs[sha256].size
    return victims


def _of_snapshots(store: CasStore) -> frozenset[str]:
    """Files of models that are kept whole in the store: they stay as long as their snapshot."""
    found: set[str] = set()
    for _, entry in list_snapshots(store.objects):
        try:
            loaded: Any = parse_json(store.objects.read(entry.name) or b"")
            files = loaded["files"]
            found |= {str(file["sha256"]) for file in files.values()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return frozenset(found)


def _remove(store: CasStore, entries: Iterable[Entry], old: float) -> set[str]:
    """Remove objects that nobody has used since they were listed.

    A use between the last look and the removal of one object isn't noticed: no place has a removal that depends on the last
    use. Who looks an artifact up in that moment meets a miss at the next lookup, and builds it again.
    """

    def remove(entry: Entry) -> str | None:
        found = store.objects.stat(entry.name)
        if found is None or found.used >= old:
            return None
        store.objects.delete(entry.name)
        return entry.name

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return {name for name in pool.map(remove, entries) if name is not None}
