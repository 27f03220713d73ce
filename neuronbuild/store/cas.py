"""The store proper: artifacts over any place that keeps objects.

Blobs go in before the manifest that names them, so a recorded artifact is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.digest import ActionKey, Digest, digest_bytes, digest_whole_and_pieces
from neuronbuild.errors import NEWER, ForeignRecordError, NewerRecordError, StoreError
from neuronbuild.store.base import BuildStore
from neuronbuild.store.cas_reader import UNREADABLE, CasReader, quarantine, understand
from neuronbuild.store.lease import TTL, hold_lease
from neuronbuild.store.names import action_name, blob_name, snapshot_name
from neuronbuild.store.objects.base import has_in_use
from neuronbuild.store.trust import SNAPSHOT, UNTRUSTED, Trust, encode_snapshot, signers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.store.index import ManifestIndex
    from neuronbuild.store.lease import Lease
    from neuronbuild.store.objects.base import ObjectStore

TRIES = 8
"""How often a manifest is put that others put at the same time."""


@final
class CasStore(CasReader, BuildStore):
    """Artifacts in one place that keeps objects. `ttl` is how many seconds of silence end a lease where leases are objects.

    `shared` says that others use the place too: what they signed is never replaced there.
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
        super().__init__(objects, index, trust=trust)
        self.shared = shared
        self._ttl = ttl

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

    def acquire_lease(self, key: ActionKey, waiting: Callable[[str], bool]) -> AbstractContextManager[Lease | None]:
        """A lease in this place."""
        return hold_lease(self.objects, key, waiting, done=lambda: self.lookup(key) is not None, ttl=self._ttl)

    def prefetch(self, keys: Collection[ActionKey]) -> set[ActionKey]:
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
        if isinstance(present, Manifest) and store.missing(present) is None:
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
