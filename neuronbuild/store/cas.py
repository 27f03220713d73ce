"""The store proper: manifests by action key, blobs by digest, over any place that keeps objects.

Blobs go in before the manifest that names them, so a recorded artifact is whole. What leaves has been checked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.codec import DecodeError, decode, encode
from neuronbuild.artifact.manifest import FORMAT, FileEntry, Manifest
from neuronbuild.counts import counted
from neuronbuild.digest import ActionKey, Digest, digest_bytes, digest_file, digest_whole_and_pieces
from neuronbuild.errors import (
    NEWER,
    BlobCorruptError,
    BlobMissingError,
    ForeignRecordError,
    NewerRecordError,
    StoreError,
)
from neuronbuild.store.base import Store, Use
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.lease import TTL, hold_lease
from neuronbuild.store.names import (
    action_name,
    blob_name,
    list_actions,
    list_blobs,
    quarantine_name,
    snapshot_name,
)
from neuronbuild.store.objects import has_in_use
from neuronbuild.store.trust import SNAPSHOT, UNTRUSTED, Trust, encode_snapshot, signers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.store.lease import Lease
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.objects import ObjectStore

FEW = 20
"""Up to so many keys are looked up one by one; more are known by listing, a thousand a request."""

TRIES = 8
"""How often a manifest is put that others put at the same time."""

UNREADABLE = "its manifest in the store can't be read"


@final
class CasStore(Store):
    """Artifacts in one place that keeps objects. `ttl` is how many seconds of silence end a lease where leases are objects.

    `shared` says that others use the place too: what they signed is never replaced there. Where `read_only` is set, what is
    damaged stays where it is.
    """

    def __init__(
        self,
        objects: ObjectStore,
        index: ManifestIndex | None = None,
        *,
        trust: Trust | None = None,
        ttl: float = TTL,
        shared: bool = False,
    ) -> None:
        self.objects = objects
        self.location = objects.location
        self.trust = trust or Trust()
        self.shared = shared
        self.read_only = False
        self.used: dict[ActionKey, Use] = {}
        self._index = index or ManifestIndex(None)
        self._ttl = ttl

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
        if manifest.action.get("kind") == "compile":
            self.used[key] = Use(manifest.provenance.seconds, sum(entry.digest.size for entry in manifest.files))
        return manifest

    def lack(self, manifest: Manifest) -> str | None:
        """Ask for the size of each blob."""
        files = ((file.path, file.digest) for file in manifest.files)
        return _lack(files, lambda sha256: self.objects.size(blob_name(sha256)))

    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """Read few manifests, or list all."""
        if len(keys) > FEW:
            return _known_by_listing(self, self._index, frozenset(keys))
        known: dict[ActionKey, str | None] = {}
        for key in keys:
            data = self.objects.read(action_name(key))
            if data is not None:
                found = understand(self, key, data)
                known[key] = self.lack(found) if isinstance(found, Manifest) else found
        return known

    def record(self, manifest: Manifest) -> Manifest:
        """Put the manifest, unless a whole one is there."""
        data = encode(manifest, self.trust.signer)
        return manifest if publish(self, manifest.key, data) else self.lookup(manifest.key) or manifest

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Put the snapshot, unless it is there; signed, in place of one that nobody signed."""
        name, signer = snapshot_name(snapshot.digest.sha256), self.trust.signer
        if self.shared and self.trust.hidden:
            signer = None
        found = self.objects.look(name)
        known = None if self.shared else (*self.trust.keys, self.trust.own)
        if found is None or (signer is not None and not signers_of(found.data, among=known, kind=SNAPSHOT)):
            self.objects.write(name, encode_snapshot(snapshot, signer), None if found is None else found.tag)

    def add(self, name: str, path: Path) -> FileEntry:
        """Read the file once for its digests, and once more if it is new."""
        digest, pieces = digest_whole_and_pieces(path)
        blob = blob_name(digest.sha256)
        if not has_in_use(self.objects, blob, digest.size):
            self.objects.add_file(blob, path)
        return FileEntry(name, digest, pieces)

    def add_bytes(self, data: bytes) -> Digest:
        """Put them, if they are new."""
        digest = digest_bytes(data)
        blob = blob_name(digest.sha256)
        if not has_in_use(self.objects, blob, digest.size):
            self.objects.write(blob, data)
        return digest

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
        for key in recorded_keys(self):
            found = understand(self, key, self.objects.read(action_name(key)) or b"")
            if isinstance(found, Manifest):
                yield found

    def hold(self, key: ActionKey, waiting: Callable[[str], bool]) -> AbstractContextManager[Lease | None]:
        """A lease in this place."""
        return hold_lease(self.objects, key, waiting, done=lambda: self.lookup(key) is not None, ttl=self._ttl)

    def bring(self, keys: Collection[ActionKey]) -> set[ActionKey]:
        """Looked up, artifacts count as used: no prune takes away what a long build needs in the end."""
        lost = set()
        for key in keys:
            try:
                lost |= set() if self.lookup(key) else {key}
            except NewerRecordError:
                lost.add(key)
        return lost

    def close(self, *, abandon: bool = False) -> list[str]:  # noqa: ARG002 (as every store)
        """Nothing goes on."""
        return []


def understand(store: CasStore, key: ActionKey, data: bytes) -> Manifest | str:
    """The bytes of an action's manifest, read and checked; or why they can't be used, in words."""
    try:
        manifest = decode(Manifest, data, newest=FORMAT)
    except DecodeError as error:
        return NEWER if error.future else UNREADABLE
    if manifest.key != key:
        return UNREADABLE
    return store.trust.objection(data) or manifest


def publish(store: CasStore, key: ActionKey, data: bytes) -> bool:
    """Put a manifest's bytes, unless a whole artifact is recorded already; says whether they were put.

    A record that can't be read or trusted, or that lacks a blob, is replaced: by the version that was looked at, so that no
    good one is lost that came meanwhile. One that somebody else signed is put aside before, or stays where others use it.

    Raises:
        NewerRecordError: a newer version recorded it.
        ForeignRecordError: somebody else signed what a shared store has.
    """
    name, tag = action_name(key), None
    for _ in range(TRIES):
        if store.objects.write(name, data, tag) is not None:
            return True
        found = store.objects.look(name)
        tag = None if found is None else found.tag
        present = UNREADABLE if found is None else understand(store, key, found.data)
        if present == NEWER:
            raise NewerRecordError(store.location, key)
        if isinstance(present, Manifest) and store.lack(present) is None:
            return False
        if found is not None and present == UNTRUSTED and _keep_foreign(store, key, found.data):
            tag = None
    raise StoreError(
        store.location, f"the manifest of {key} can't be put: others keep changing it", hint="run the command again"
    )


def _keep_foreign(store: CasStore, key: ActionKey, data: bytes) -> bool:
    """Put a record aside that somebody signed who isn't trusted here, and say whether it was one.

    Raises:
        ForeignRecordError: others use the store, and may well trust them.
    """
    signers = signers_of(data)
    if not signers:
        return False
    if store.shared:
        raise ForeignRecordError(store.location, key, signers)
    quarantine(store.objects, action_name(key))
    return True


def recorded_keys(store: CasStore) -> list[ActionKey]:
    """The keys of all that was recorded, in order, whether or not it can be read."""
    return sorted(key for key, _ in list_actions(store.objects))


def recorded(store: CasStore, keys: Collection[ActionKey]) -> set[ActionKey]:
    """Those of some keys that have a record, whatever becomes of its blobs. Few are read: one may not be handed out."""
    if len(keys) <= FEW:
        return {key for key in keys if store.objects.read(action_name(key)) is not None}
    return {key for key, _ in list_actions(store.objects)}.intersection(keys)


def quarantine(objects: ObjectStore, name: str) -> None:
    """Put a damaged object aside. A place that can't be written keeps it: it is refused all the same."""
    with contextlib.suppress(StoreError):
        objects.move(name, quarantine_name(name))


def _known_by_listing(store: CasStore, index: ManifestIndex, keys: frozenset[ActionKey]) -> dict[ActionKey, str | None]:
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
            return f"its file {path} is damaged in the store: {counted(size, 'byte')} instead of {digest.size:,}"
    return None
