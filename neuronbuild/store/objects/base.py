"""The interface of object storage: bytes by name. Whatever implements it can hold a store."""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from neuronbuild.digest import Digest, Pieces
    from neuronbuild.store.link import LinkMode

LIMIT = 64 << 20
"""Most that is read of a small object: the rest of a larger one is cut off, and what is left is no record."""

ANY: Final = "*"
"""As the version that a write expects: whatever is there, and nothing as well."""


class Entry(NamedTuple):
    """One object in a listing.

    `stamp` changes whenever other bytes are written; `used` is when it was last written, touched or read, in seconds since
    1970 by the place's own clock, as far as the place knows.
    """

    name: str
    size: int
    stamp: str
    used: float


class Version(NamedTuple):
    """A small object as it is now: its bytes, what a conditional write must name, and its age in seconds.

    The age is by the place's own clock alone, so no two clocks are ever compared.
    """

    data: bytes
    tag: str
    age: float


class Lock(Protocol):
    """A lock of the operating system's, which a process that ends lets go of."""

    def acquire(self, seconds: float) -> bool:
        """Wait for it so long, and say whether this process has it now."""

    def release(self, *, remove: bool) -> None:
        """Let it go, and remove its file if nobody needs to find it any more."""


class ObjectReader(ABC):
    """Objects by name (`v1/blobs/sha256/ab/abcd…`), as far as they are read.

    Every method may raise `StoreError`, and nothing else, for what the place below does wrong.
    """

    location: str
    """The text that names this place, for messages."""

    fresh: float
    """Seconds after a use within which another one needn't be noted."""

    refused: Mapping[str, str] = MappingProxyType({})
    """Objects that are there and that the place didn't hand out when they were asked for, or says that it won't (they are
    archived), by name, each with what it said. They count as missing, and listings leave them out."""

    @final
    def read(self, name: str) -> bytes | None:
        """A small object's bytes, or `None` if there is none of that name."""
        found = self.look(name)
        return None if found is None else found.data

    @abstractmethod
    def look(self, name: str) -> Version | None:
        """A small object with what tells this version of it from others, or `None`."""

    @abstractmethod
    def read_to(self, name: str, destination: Path, mode: LinkMode = "copy", pieces: Pieces | None = None) -> str | None:
        """Put an object's bytes at a path that isn't there yet, and say how: `copy`, `reflink` or `hardlink`.

        `None` if there is no such object. Where pieces are given, the bytes are checked against them.

        Raises:
            BlobCorruptError: they differ, also when they are read again. Nothing is at the path then.
        """

    @final
    def size(self, name: str) -> int | None:
        """Size in bytes, or `None` if there is no such object."""
        found = self.stat(name)
        return None if found is None else found.size

    @abstractmethod
    def stat(self, name: str) -> Entry | None:
        """What a listing would say of an object, or `None` if there is none."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects under a prefix that ends in `/`, at any depth, in no order."""

    @abstractmethod
    def digest(self, name: str) -> Digest | None:
        """Read a whole object, in bounded memory, or `None` if there is none."""

    def local_path(self, name: str = "") -> Path | None:  # noqa: ARG002 (of places that have files)
        """The file that an object is, or would be, on this machine's disk; without a name, the folder of all. Else `None`."""
        return None


class ObjectStore(ObjectReader):
    """Objects by name that can be written. An object appears whole or not at all.

    What only a folder on this machine's disk can do has a default here: callers ask for it, and never for the class.
    """

    @abstractmethod
    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Put a small object if the present one has the expected tag (`None`: if there is none), and give the new one's tag.

        `None` means that something else is there, and nothing was written.
        """

    @abstractmethod
    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """Put a file's bytes. The file stays as it is, and shares no inode with the object.

        Raises:
            StoreError: also where the file holds other bytes than the pieces say.
        """

    def receive(self, name: str, fill: Callable[[Path], object]) -> None:
        """Put the file that `fill` makes at the path it is given, in the system's temporary folder; nothing if it raises."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "received")
            fill(path)
            self.add_file(name, path)

    @abstractmethod
    def delete(self, name: str, expected: str = ANY) -> bool:
        """Remove an object if it has the expected tag; false if it is there with another. One that is gone is removed."""

    @abstractmethod
    def move(self, name: str, target: str) -> None:
        """Rename an object; nothing happens if there is none."""

    @abstractmethod
    def touch(self, name: str) -> bool:
        """Have an object count as used now; false if only writing it anew can do that. Nothing happens if there is none."""

    def sweep(self, before: float, *, dry_run: bool = False) -> int:  # noqa: ARG002 (of places that have some)
        """Remove what killed writers left unfinished before a time, in seconds since 1970; say how many there were."""
        return 0

    def lock(self, name: str) -> Lock | None:  # noqa: ARG002 (of places that have files)
        """A lock by that name, not yet acquired; `None` where the system has none: a lease is an object there."""
        return None

    def append(self, name: str, line: bytes) -> None:  # noqa: ARG002 (of places that have files)
        """Add a whole line to a file beside the objects, where others may do the same; a place that can't, keeps nothing."""
        return


def has_in_use(objects: ObjectStore, name: str, size: int) -> bool:
    """Whether an object of that size is there and counts as used, so that nobody prunes it. If not, it has to be written."""
    found = objects.stat(name)
    if found is None or found.size != size:
        return False
    return time.time() - found.used <= objects.fresh or objects.touch(name)
