"""Objects in a dict: a real store for tests and for builds that keep nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from neuronbuild.errors import StoreError
from neuronbuild.store.objects import Entry, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@final
class MemoryObjects(ObjectStore):
    """Bytes by name, gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    @property
    def location(self) -> str:
        """Always `memory:`."""
        return "memory:"

    def read(self, name: str) -> bytes | None:
        """The bytes, or `None`."""
        return self._objects.get(name)

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes."""
        self._objects[name] = data

    def add_file(self, name: str, source: Path) -> None:
        """Keep the file's bytes."""
        try:
            self._objects[name] = source.read_bytes()
        except OSError as error:
            raise StoreError(self.location, f"{source} can't be read: {error.strerror}") from None

    def fetch(self, name: str, destination: Path) -> bool:
        """Write the bytes out."""
        data = self._objects.get(name)
        if data is None:
            return False
        try:
            with destination.open("xb") as file:
                file.write(data)
        except OSError as error:
            raise StoreError(self.location, f"{destination} can't be written: {error.strerror}") from None
        return True

    def size(self, name: str) -> int | None:
        """Length of the bytes, or `None`."""
        data = self._objects.get(name)
        return None if data is None else len(data)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Names that start with the prefix."""
        return (Entry(name, len(data), str(id(data))) for name, data in list(self._objects.items()) if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget the bytes."""
        self._objects.pop(name, None)

    def move(self, name: str, target: str) -> None:
        """Keep the bytes under another name."""
        data = self._objects.pop(name, None)
        if data is not None:
            self._objects[target] = data
