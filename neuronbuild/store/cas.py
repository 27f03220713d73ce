"""The store proper: manifests by action key, blobs by digest, over any place that keeps objects.

Blobs go in before the manifest that names them, so a recorded artifact is whole. What leaves has been checked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.codec import DecodeError, decode, encode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import ActionKey, Digest, canonical_json, digest_bytes, digest_file, is_hex_digest
from neuronbuild.errors import NEWER, BlobCorruptError, BlobMissingError, NewerRecordError, StoreError
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.local import LocalObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.objects import ObjectStore

ACTIONS = "v1/actions/"
BLOBS = "v1/blobs/sha256/"
SNAPSHOTS = "v1/snapshots/"
QUARANTINE = "quarantine/"

FEW = 64
"""Up to so many keys are looked up one by one; more are known by listing."""


def action_name(key: str) -> str:
    """Where the manifest of an action lies."""
    return f"{ACTIONS}{key[:2]}/{key}.json"


def blob_name(sha256: str) -> str:
    """Where a blob lies."""
    return f"{BLOBS}{sha256[:2]}/{sha256}"


def snapshot_name(sha256: str) -> str:
    """Where a snapshot lies."""
    return f"{SNAPSHOTS}{sha256[:2]}/{sha256}.json"


@final
class CasStore:
    """Artifacts in a place that keeps objects."""

    def __init__(self, objects: ObjectStore, index: ManifestIndex | None = None) -> None:
        self.objects = objects
        self._index = index or ManifestIndex(None)

    @property
    def location(self) -> str:
        """The text that names this store."""
        return self.objects.location

    def lookup(self, key: ActionKey) -> Manifest | None:
        """The manifest recorded for an action, or `None`. One that is damaged counts as none.

        Raises:
            NewerRecordError: a newer version recorded it. Whoever would compile and record again must stop at that.
        """
        data = self.objects.read(action_name(key))
        if data is None:
            return None
        try:
            manifest = decode(Manifest, data, newest=FORMAT)
        except DecodeError as error:
            if error.future:
                raise NewerRecordError(self.location, key) from None
            manifest = None
        if manifest is None or manifest.key != key:
            self._index.drop(key)
            return None
        return manifest

    def lack(self, manifest: Manifest) -> str | None:
        """What an artifact lacks to be whole, in words, or `None`."""
        files = ((file.path, file.digest) for file in manifest.files)
        return _lack(files, lambda sha256: self.objects.size(blob_name(sha256)))

    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """For each key that has a record: `None` if the artifact is whole, else what it lacks."""
        if len(keys) > FEW:
            return _known_by_listing(self, self._index, frozenset(keys))
        known: dict[ActionKey, str | None] = {}
        for key in keys:
            if self.objects.size(action_name(key)) is not None:
                found = _look(self, key)
                known[key] = found if isinstance(found, str) else self.lack(found)
        return known

    def record(self, manifest: Manifest) -> None:
        """Publish an artifact whose blobs are all in already."""
        self.objects.write(action_name(manifest.key), encode(manifest))

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a pinned model's list of files beside the artifacts made from it."""
        name = snapshot_name(snapshot.digest.sha256)
        if self.objects.size(name) is None:
            self.objects.write(name, canonical_json(snapshot.as_json()))

    def add(self, path: Path) -> Digest:
        """Put a file's bytes in, once, and give their digest."""
        digest = digest_file(path)
        if self.objects.size(blob_name(digest.sha256)) != digest.size:
            self.objects.add_file(blob_name(digest.sha256), path)
        return digest

    def add_bytes(self, data: bytes) -> Digest:
        """Put bytes in, once, and give their digest."""
        digest = digest_bytes(data)
        if self.objects.size(blob_name(digest.sha256)) != digest.size:
            self.objects.write(blob_name(digest.sha256), data)
        return digest

    def has(self, digest: Digest) -> bool:
        """Whether a blob of that name and size is there."""
        return self.objects.size(blob_name(digest.sha256)) == digest.size

    def fetch(self, digest: Digest, destination: Path, mode: LinkMode = "copy") -> str:
        """Put a blob at a path that isn't there yet, checked, and say how: `copy`, `reflink` or `hardlink`.

        Raises:
            BlobMissingError: the store hasn't got it.
            BlobCorruptError: what it has are other bytes. They are put aside, so that the next build makes it anew.
        """
        name = blob_name(digest.sha256)
        if isinstance(self.objects, LocalObjects):
            how = self.objects.link(name, destination, mode)
        else:
            how = "copy" if self.objects.fetch(name, destination) else None
        if how is None:
            raise BlobMissingError(self.location, digest.sha256)
        actual = digest_file(destination)
        if actual != digest:
            destination.unlink()
            if actual.sha256 != digest.sha256:  # a wrong size alone is the manifest's fault: the blob is sound
                with contextlib.suppress(StoreError):  # a store that can't be written keeps it, refused all the same
                    self.quarantine(name)
            raise BlobCorruptError(self.location, digest.sha256, f"SHA-256 {actual.sha256}, {actual.size} bytes")
        return how

    def read_blob(self, digest: Digest) -> bytes | None:
        """A small blob's bytes, checked, or `None` if it is missing or damaged: for logs, which nothing depends on."""
        data = self.objects.read(blob_name(digest.sha256))
        return data if data is not None and digest_bytes(data) == digest else None

    def manifests(self) -> Iterator[Manifest]:
        """Every manifest that can be read, in order of keys."""
        for key in recorded_keys(self):
            manifest = _look(self, key)
            if isinstance(manifest, Manifest):
                yield manifest

    def quarantine(self, name: str) -> None:
        """Put a damaged object aside, out of every lookup's way."""
        self.objects.move(name, QUARANTINE + name.replace("/", "_"))


def recorded_keys(store: CasStore) -> list[ActionKey]:
    """The keys of all that was recorded, in order, whether or not it can be read."""
    names = (entry.name.rpartition("/")[2].removesuffix(".json") for entry in store.objects.list(ACTIONS))
    return sorted(ActionKey(name) for name in names if is_hex_digest(name))


def _look(store: CasStore, key: ActionKey) -> Manifest | str:
    """The manifest of an action that has a record, or why it can't be had, in words."""
    try:
        return store.lookup(key) or "its manifest in the store can't be read"
    except NewerRecordError:
        return NEWER


def _known_by_listing(store: CasStore, index: ManifestIndex, keys: frozenset[ActionKey]) -> dict[ActionKey, str | None]:
    blobs = {entry.name[-64:]: entry.size for entry in store.objects.list(BLOBS)}
    known: dict[ActionKey, str | None] = {}
    for entry in store.objects.list(ACTIONS):
        key = ActionKey(entry.name[-69:-5])
        if key not in keys:
            continue
        files = index.get(key, entry.stamp)
        if files is None:
            found = _look(store, key)
            if isinstance(found, str):
                known[key] = found
                continue
            files = [(file.path, file.digest) for file in found.files]
            index.put(key, entry.stamp, files)
        known[key] = _lack(files, blobs.get)
    index.save()
    return known


def _lack(files: Iterable[tuple[str, Digest]], size_of: Callable[[str], int | None]) -> str | None:
    """The first file of an artifact that isn't there in full, in words."""
    for path, digest in files:
        size = size_of(digest.sha256)
        if size is None:
            return f"its file {path} is missing from the store"
        if size != digest.size:
            return f"its file {path} is damaged in the store: {size:,} bytes instead of {digest.size:,}"
    return None
