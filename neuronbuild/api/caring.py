"""Looking after stores, near and far: verify, restore, prune, statistics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronbuild.api.locking import read_lock
from neuronbuild.api.settings import LOCK_FILE
from neuronbuild.api.trusting import open_trust
from neuronbuild.artifact.action import CheckAction, CompileAction
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.digest import digest_bytes, digest_json
from neuronbuild.errors import StoreError, UsageError
from neuronbuild.files import parse_json, read_plain
from neuronbuild.store.care.prune import Pruned, Rules, prune_store
from neuronbuild.store.care.restore import Restored, restore_store
from neuronbuild.store.care.stats import Run, Sizes, measure, read_runs
from neuronbuild.store.care.verify import VerifyReport, verify_store
from neuronbuild.store.location import open_objects, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.lockfile import LockFile
    from neuronbuild.artifact.manifest import Manifest


def verify(settings: Settings, *, repair: bool, far: bool = False) -> list[VerifyReport]:
    """Check the near store, then each far one. `far` says that the far ones are repaired as well, but for read-only ones.

    Raises:
        StoreError: one can't be read or written.
    """
    trust = open_trust(settings)
    _refuse_absent(settings.cache)
    mended = [(remote.location, repair and far and not remote.read_only) for remote in settings.remotes]
    reports = []
    for location, mend in [(settings.cache, repair), *mended]:
        progress = settings.scratch / "verify" / f"{digest_bytes(location.encode()).sha256[:16]}.json"
        reports.append(verify_store(open_store(location, trust), repair=mend, progress=progress))
    return reports


def restore(settings: Settings, *, far: bool) -> Restored:
    """Bring back what was put aside in the near store, or in the first far one, as far as it is sound.

    Raises:
        StoreError: it can't be read or written.
    """
    location = settings.remotes[0].location if far else settings.cache
    _refuse_absent(location)
    return restore_store(open_store(location, open_trust(settings)))


def _refuse_absent(location: str) -> None:
    """Stop at a folder that isn't there: a wrong name would pass for a sound store."""
    objects = open_objects(location)
    folder = objects.local_path()
    if folder is not None and not folder.is_dir():
        hint = "`neuronbuild apply` makes it; another one is named with --cache"
        raise StoreError(objects.location, "there is no such folder", hint=hint)


def prune(
    settings: Settings, limits: tuple[int | None, float | None, float], *, keep: Iterable[Path], dry_run: bool, far: bool
) -> Pruned:
    """Prune the near store, or the first far one. `limits`: bytes, seconds since the last use, seconds of grace.

    Raises:
        StoreError: it can't be read or written.
        LockError, UsageError: what is to be kept can't be told: nothing is removed then.
    """
    size, age, grace = limits
    named = _Named.of([*map(Path, keep), settings.output], [settings.lock] if settings.lock else [])
    store = open_store(settings.remotes[0].location if far else settings.cache)
    rules = Rules(size, age, grace, named.has, frozenset(named.blobs))
    return prune_store(store, rules, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and what lies in it."""

    location: str
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class Stats:
    """The stores, near first, and what they have saved here."""

    places: tuple[Place, ...]
    run: Run

    def as_json(self) -> dict[str, object]:
        """As `cache stats --json` prints it."""
        stores = [{"location": place.location, **asdict(place.sizes)} for place in self.places]
        return {"version": 1, "stores": stores, **asdict(self.run)}


def stats(settings: Settings) -> Stats:
    """Measure the near store and the far ones.

    Raises:
        StoreError: one can't be read.
    """
    near = open_objects(settings.cache)
    places = [near, *(open_objects(remote.location) for remote in settings.remotes)]
    return Stats(tuple(Place(objects.location, measure(objects)) for objects in places), read_runs(near))


@dataclass(frozen=True, slots=True)
class _Named:
    """What locks and releases name: keys, and the parts of actions that a lock pins."""

    keys: set[str]
    weights: set[str]
    blobs: set[str]
    subjects: set[str]
    toolchains: set[str]

    @classmethod
    def of(cls, places: Iterable[Path], locks: Iterable[Path]) -> _Named:
        """Read locks, releases, and folders of either."""
        named = cls(set(), set(), set(), set(), set())
        found = list(locks)
        for place in places:
            if place.is_file() and place.name != FILENAME:
                found.append(place)
            else:
                folder = place.parent if place.is_file() else place
                for index in (*folder.glob(FILENAME), *folder.glob(f"*/{FILENAME}")):
                    named._add_release(index)
                found += list(folder.glob(LOCK_FILE))
        for path in found:
            named._add_lock(read_lock(path))
        return named

    def _add_release(self, index: Path) -> None:
        try:
            loaded: Any = parse_json(read_plain(index))
            self.keys.update(str(bucket["key"]) for bucket in loaded["buckets"])
            files = {str(file["sha256"]) for file in loaded["files"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"the release {index.parent} can't be read: {error}", hint="move it away, or write it again"
            ) from None
        self.weights.update(files)
        self.blobs.update(files)

    def _add_lock(self, lock: LockFile | None) -> None:
        if lock is None:
            return
        for model in lock.models:
            self.subjects.update(model.subjects)
            files = {digest.sha256 for digest in model.files.values()}
            self.weights.update(files)
            self.blobs.update(files)
        self.toolchains.update(digest_json(each.fingerprint.as_json()).sha256 for each in lock.toolchains)

    def has(self, manifest: Manifest) -> bool:
        """Whether an artifact is named: by key, by the lock's models and toolchains, or as a conversion or check for them."""
        action = manifest.action
        if manifest.key in self.keys or (isinstance(action, CheckAction) and action.action in self.keys):
            return True
        if not isinstance(action, CompileAction):
            return bool(action.checkpoint) and self.weights.issuperset(action.checkpoint.values())
        return action.model.digest in self.subjects and digest_json(action.toolchain.as_json()).sha256 in self.toolchains
