"""Reading artifacts from one place: manifests by action key, blobs by digest. What leaves has been checked."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import CompileAction
from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.counts import counted
from neuronbuild.digest import ActionKey, Digest, digest_bytes, digest_file
from neuronbuild.errors import NEWER, BlobCorruptError, BlobMissingError, NewerRecordError, StoreError
from neuronbuild.store.base import ArtifactReader, Use
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.names import action_name, blob_name, list_actions, list_blobs, quarantine_name
from neuronbuild.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.objects.base import ObjectStore

FEW = 20
"""Up to so many keys are looked up one by one; more are known by listing, a thousand a request."""

UNREADABLE = "its manifest in the store can't be read"


class CasReader(ArtifactReader):
    """Artifacts in one place that keeps objects. Where `read_only` is set, what is damaged stays where it is."""

    def __init__(
        self,
        objects: ObjectStore,
        index: ManifestIndex | None = None,
        *,
        trust: Trust | None = None,
    ) -> None:
        self.objects = objects
        self.location = objects.location
        self.trust = trust or Trust()
        self.read_only = False
        self.used: dict[ActionKey, Use] = {}
        self._index = index or ManifestIndex(None)

    def lookup(self, key: ActionKey) -> Manifest | None:
        """Read it.

        Raises:
            NewerRecordError: a newer version recorded it. Whoever would compile and record again must stop at that.
        """
        found = self.objects.look(action_name(key))
        manifest = None if found is None else understand(self, key, found.data)
        if manifest == NEWER:
            raise NewerRecordError(self.location, key)
        if found is None or not isinstance(manifest, Manifest):
            self._index.drop(key)
            return None
        if found.age > self.objects.fresh and not self.objects.touch(action_name(key)) and not self.read_only:
            with contextlib.suppress(StoreError):  # of another user: the same bytes as this one's count as used
                self.objects.write(action_name(key), found.data, found.tag)
        if isinstance(manifest.action, CompileAction):
            self.used[key] = Use(manifest.provenance.seconds, sum(entry.digest.size for entry in manifest.files))
        return manifest

    def missing(self, manifest: Manifest) -> str | None:
        """Ask for the size of each blob."""
        files = ((file.path, file.digest) for file in manifest.files)
        return _missing(files, lambda sha256: self.objects.size(blob_name(sha256)))

    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """Read few manifests, or list all."""
        if len(keys) > FEW:
            return _known_by_listing(self, self._index, frozenset(keys))
        known: dict[ActionKey, str | None] = {}
        for key in keys:
            data = self.objects.read(action_name(key))
            if data is not None:
                found = understand(self, key, data)
                known[key] = self.missing(found) if isinstance(found, Manifest) else found
        return known

    def fetch(self, digest: Digest, destination: Path, mode: LinkMode = "copy") -> str:
        """Take the blob out, and read it."""
        name = blob_name(digest.sha256)
        how = self.objects.read_to(name, destination, mode)
        if how is None:
            raise BlobMissingError(self.location, digest.sha256)
        actual = digest_file(destination)
        if actual != digest:
            destination.unlink()
            if actual.sha256 != digest.sha256:  # a wrong size alone is the manifest's fault: the blob is sound
                quarantine(self.objects, name)
            raise BlobCorruptError(self.location, digest.sha256, f"SHA-256 {actual.sha256}, {counted(actual.size, 'byte')}")
        return how

    def read_blob(self, digest: Digest) -> bytes | None:
        """Read it."""
        data = self.objects.read(blob_name(digest.sha256))
        return data if data is not None and digest_bytes(data) == digest else None

    def manifests(self) -> Iterator[Manifest]:
        """List, sort, read."""
        for key in self.recorded_keys():
            found = self.inspect(key)
            if isinstance(found, Manifest):
                yield found

    def recorded_keys(self) -> list[ActionKey]:
        """List, sort."""
        return sorted(key for key, _ in list_actions(self.objects))

    def inspect(self, key: ActionKey) -> Manifest | str:
        """Read, without a note of a use."""
        return understand(self, key, self.objects.read(action_name(key)) or b"")


def understand(store: CasReader, key: ActionKey, data: bytes) -> Manifest | str:
    """The bytes of an action's manifest, read and checked; or why they can't be used, in words."""
    try:
        manifest = decode(Manifest, data, newest=FORMAT)
    except DecodeError as error:
        return NEWER if error.future else UNREADABLE
    if manifest.key != key:
        return UNREADABLE
    return store.trust.objection(data) or manifest


def recorded(store: CasReader, keys: Collection[ActionKey]) -> set[ActionKey]:
    """Those of some keys that have a record, whatever becomes of its blobs. Few are read: one may not be handed out."""
    if len(keys) <= FEW:
        return {key for key in keys if store.objects.read(action_name(key)) is not None}
    return {key for key, _ in list_actions(store.objects)}.intersection(keys)


def quarantine(objects: ObjectStore, name: str) -> None:
    """Put a damaged object aside. A place that can't be written keeps it: it is refused all the same."""
    with contextlib.suppress(StoreError):
        objects.move(name, quarantine_name(name))


def _known_by_listing(store: CasReader, index: ManifestIndex, keys: frozenset[ActionKey]) -> dict[ActionKey, str | None]:
    blobs = {sha256: entry.size for sha256, entry in list_blobs(store.objects)}
    known: dict[ActionKey, str | None] = {}
    for key, entry in list_actions(store.objects):
        if key not in keys:
            continue
        stamp = entry.stamp + store.trust.name
        files = index.get(key, stamp)
        if files is None:
            found = understand(store, key, store.objects.read(entry.name) or b"")
            if isinstance(found, str):
                known[key] = found
                continue
            files = [(file.path, file.digest) for file in found.files]
            index.put(key, stamp, files)
        known[key] = _missing(files, blobs.get)
    index.save()
    return known


def _missing(files: Iterable[tuple[str, Digest]], size_of: Callable[[str], int | None]) -> str | None:
    """The first file of an artifact that isn't there in full, in words."""
    for path, digest in files:
        size = size_of(digest.sha256)
        if size is None:
            return f"its file {path} is missing from the store"
        if size != digest.size:
            return f"its file {path} is damaged in the store: {counted(size, 'byte')} instead of {digest.size:,}"
    return None
