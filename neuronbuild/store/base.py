"""The interfaces of an artifact store: what reads, what also adds artifacts, and what a build needs besides.

Whoever only reads asks for an `ArtifactReader`. A store is one place, or several in layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from neuronbuild.artifact.manifest import FileEntry, Manifest
    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.digest import ActionKey, Digest
    from neuronbuild.store.lease import Lease
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.objects.base import ObjectStore
    from neuronbuild.store.trust import Trust


class Use(NamedTuple):
    """What one artifact was worth: the seconds that its build took, and its bytes."""

    seconds: float
    size: int


class ArtifactReader(ABC):
    """Artifacts by action key and blobs by digest, as far as they are read. Every method may raise `StoreError`."""

    location: str
    """The text that names this store."""

    objects: ObjectStore
    """The objects of this store; of several in layers, those of the local one."""

    trust: Trust
    """Whose builds are used, and what signs those of this process."""

    used: dict[ActionKey, Use]
    """Compiled artifacts that were looked up, or made, in this process."""

    @abstractmethod
    def lookup(self, key: ActionKey) -> Manifest | None:
        """The manifest recorded for an action, or `None`. One that can't be read or trusted counts as none."""

    @abstractmethod
    def missing(self, manifest: Manifest) -> str | None:
        """What an artifact lacks to be whole, in words, or `None`."""

    @abstractmethod
    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """For each key that has a record: `None` if the artifact is whole, else what it lacks."""

    @abstractmethod
    def fetch(self, digest: Digest, destination: Path, mode: LinkMode = "copy") -> str:
        """Put a blob at a path that isn't there yet, checked, and say how: `copy`, `reflink` or `hardlink`.

        Raises:
            BlobMissingError: the store hasn't got it.
            BlobCorruptError: what it has are other bytes. They are put aside, so that the next build makes it anew.
        """

    @abstractmethod
    def read_blob(self, digest: Digest) -> bytes | None:
        """A small blob's bytes, checked, or `None` if it is missing or damaged: for logs, which nothing depends on."""

    @abstractmethod
    def manifests(self) -> Iterator[Manifest]:
        """Every manifest that can be read, in order of keys."""

    @abstractmethod
    def recorded_keys(self) -> list[ActionKey]:
        """The keys of all that was recorded, in order, whether or not it can be read."""

    @abstractmethod
    def inspect(self, key: ActionKey) -> Manifest | str:
        """An action's manifest, or why it can't be used, in words. To inspect an artifact is no use of it, unlike `lookup`."""


class ArtifactStore(ArtifactReader):
    """A store that artifacts are added to: blobs first, then the manifest that names them."""

    @abstractmethod
    def record(self, manifest: Manifest) -> Manifest:
        """Publish an artifact whose blobs are all in already; if somebody was faster with a whole one, theirs is given back."""

    @abstractmethod
    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a pinned model's list of files beside the artifacts made from it."""

    @abstractmethod
    def add(self, name: str, path: Path) -> FileEntry:
        """Put a file's bytes in, once, and give its entry in a manifest."""

    @abstractmethod
    def add_bytes(self, data: bytes) -> Digest:
        """Put bytes in, once, and give their digest."""


class BuildStore(ArtifactStore):
    """A store that builds share: it keeps them apart, and moves artifacts in the background."""

    @abstractmethod
    def acquire_lease(self, key: ActionKey, waiting: Callable[[str], bool]) -> AbstractContextManager[Lease | None]:
        """Hold an action's lease within the context; `None` if waiting was given up.

        `waiting` is called again and again with the holder's name while another one builds; it returns false to give up.
        """

    @abstractmethod
    def prefetch(self, keys: Collection[ActionKey]) -> set[ActionKey]:
        """Have artifacts at hand that are about to be used; gives those that can't be had, which are missing from then on."""

    @abstractmethod
    def close(self, *, abandon: bool = False) -> list[str]:
        """Finish what goes on in the background, and give what there is to say about it, line by line.

        To `abandon` it is to begin nothing any more: what has begun is finished.
        """
