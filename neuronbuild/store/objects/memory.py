"""Objects in a dict: a real store for tests and for builds that keep nothing."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, final

from neuronbuild.digest import digest_bytes, digest_pieces
from neuronbuild.errors import BlobCorruptError, DestinationError, StoreError
from neuronbuild.store.names import digest_of
from neuronbuild.store.objects.base import ANY, Entry, ObjectStore, Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.digest import Digest, Pieces
    from neuronbuild.store.link import LinkMode


class _Kept(NamedTuple):
    data: bytes
    tag: str
    used: float


@final
class MemoryObjects(ObjectStore):
    """Bytes by name, gone with the process."""

    def __init__(self) -> None:
        self.location = "memory:"
        self.fresh = 0.0
        self._objects: dict[str, _Kept] = {}
        self._tags = map(str, itertools.count())
        self._lock = threading.Lock()

    def look(self, name: str) -> Version | None:
        """The bytes, or `None`."""
        found = self._objects.get(name)
        return None if found is None else Version(found.data, found.tag, time.time() - found.used)

    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Keep the bytes."""
        with self._lock:
            if not self._is(name, expected):
                return None
            tag = next(self._tags)
            self._objects[name] = _Kept(data, tag, time.time())
            return tag

    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """Keep the file's bytes."""
        try:
            if pieces is not None and digest_pieces(source, pieces.size) != pieces:
                raise StoreError(self.location, f"{source} holds other bytes than its name says: it isn't taken")
            self.write(name, source.read_bytes())
        except OSError as error:
            raise StoreError(self.location, f"{source} can't be read: {error.strerror}") from None

    def read_to(
        self,
        name: str,
        destination: Path,
        mode: LinkMode = "copy",  # noqa: ARG002 (there is no file to link)
        pieces: Pieces | None = None,
    ) -> str | None:
        """Write the bytes out."""
        data = self.read(name)
        if data is None:
            return None
        try:
            _write_new(destination, data)
            if pieces is not None and digest_pieces(destination, pieces.size) != pieces:
                destination.unlink()
                raise BlobCorruptError(self.location, digest_of(name) or name, "its pieces differ")
        except OSError as error:
            raise DestinationError(self.location, str(destination), error) from None
        return "copy"

    def stat(self, name: str) -> Entry | None:
        """Length and tag."""
        kept = self._objects.get(name)
        return None if kept is None else Entry(name, len(kept.data), kept.tag, kept.used)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Names that start with the prefix."""
        found = list(self._objects.items())
        return (Entry(name, len(kept.data), kept.tag, kept.used) for name, kept in found if name.startswith(prefix))

    def delete(self, name: str, expected: str = ANY) -> bool:
        """Forget the bytes."""
        with self._lock:
            if name in self._objects and not self._is(name, expected):
                return False
            self._objects.pop(name, None)
            return True

    def move(self, name: str, target: str) -> None:
        """Keep the bytes under another name."""
        with self._lock:
            found = self._objects.pop(name, None)
            if found is not None:
                self._objects[target] = found

    def touch(self, name: str) -> bool:
        """Note the time."""
        with self._lock:
            if name in self._objects:
                self._objects[name] = self._objects[name]._replace(used=time.time())
        return True

    def digest(self, name: str) -> Digest | None:
        """Digest of the bytes."""
        data = self.read(name)
        return None if data is None else digest_bytes(data)

    def _is(self, name: str, expected: str | None) -> bool:
        found = self._objects.get(name)
        return expected in {ANY, found.tag if found else None}


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            path.unlink()
            raise
