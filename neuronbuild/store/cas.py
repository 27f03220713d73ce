"""The store proper: manifests by action key, blobs by digest, over any place that keeps objects.

Blobs go in before the manifest that names them, so a recorded artifact is whole. What leaves has been checked.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.codec import DecodeError, decode, encode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import ActionKey, Digest, canonical_json, digest_bytes, digest_file
from neuronbuild.errors import BlobCorruptError, BlobMissingError, StoreError
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.local import LocalObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

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
        """The manifest recorded for an action, or `None`. One that can't be read counts as none."""
        data = self.objects.read(action_name(key))
        if data is None:
            return None
        try:
            manifest = decode(Manifest, data, newest=FORMAT)
        except DecodeError:
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
            data = self.objects.read(action_name(key))
            if data is not None:
                manifest = self.lookup(key)
                known[key] = "its manifest in the store can't be read" if manifest is None else self.lack(manifest)
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
        names = sorted(entry.name for entry in self.objects.list(ACTIONS) if entry.name.endswith(".json"))
        for name in names:
            manifest = self.lookup(ActionKey(Path(name).stem))
            if manifest is not None:
                yield manifest

    def quarantine(self, name: str) -> None:
        """Put a damaged object aside, out of every lookup's way."""
        self.objects.move(name, QUARANTINE + name.replace("/", "_"))


def _known_by_listing(store: CasStore, index: ManifestIndex, keys: frozenset[ActionKey]) -> dict[ActionKey, str | None]:
    blobs = {entry.name[-64:]: entry.size for entry in store.objects.list(BLOBS)}
    known: dict[ActionKey, str | None] = {}
    for entry in store.objects.list(ACTIONS):
        key = ActionKey(entry.name[-69:-5])
        if key not in keys:
            continue
        files = index.get(key, entry.stamp)
        if files is None:
            manifest = store.lookup(key)
            if manifest is None:
                known[key] = "its manifest in the store can't be read"
                continue
            files = [(file.path, file.digest) for file in manifest.files]
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
