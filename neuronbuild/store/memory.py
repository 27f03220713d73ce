"""Objects in a dict: a real store for tests and for builds that keep nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, final

from neuronbuild.errors import DestinationError, StoreError
from neuronbuild.store.objects import Entry, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@final
class MemoryObjects(ObjectStore):
    """Bytes by name, gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, str]] = {}
        self._stamps = map(str, itertools.count())

    @property
    def location(self) -> str:
        """Always `memory:`."""
        return "memory:"

    def read(self, name: str) -> bytes | None:
        """The bytes, or `None`."""
        found = self._objects.get(name)
        return None if found is None else found[0]

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes."""
        self._objects[name] = (data, next(self._stamps))

    def add_file(self, name: str, source: Path) -> None:
        """Keep the file's bytes."""
        try:
            self.write(name, source.read_bytes())
        except OSError as error:
            raise StoreError(self.location, f"{source} can't be read: {error.strerror}") from None

    def fetch(self, name: str, destination: Path) -> bool:
        """Write the bytes out."""
        data = self.read(name)
        if data is None:
            return False
        try:
            _write_new(destination, data)
        except OSError as error:
            raise DestinationError(self.location, str(destination), error) from None
        return True

    def size(self, name: str) -> int | None:
        """Length of the bytes, or `None`."""
        data = self.read(name)
        return None if data is None else len(data)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Names that start with the prefix."""
        found = list(self._objects.items())
        return (Entry(name, len(data), stamp) for name, (data, stamp) in found if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the bytes."""
        self._objects.pop(name, None)

    def move(self, name: str, target: str) -> None:
        """Keep the bytes under another name."""
        found = self._objects.pop(name, None)
        if found is not None:
            self._objects[target] = found


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            path.unlink()
            raise
