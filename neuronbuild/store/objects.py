"""The seam: dumb bytes by name. Whatever can do this can hold a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Entry(NamedTuple):
    """One object in a listing; `stamp` changes whenever the object is written again."""

    name: str
    size: int
    stamp: str


class ObjectStore(ABC):
    """Objects by name (`v1/blobs/sha256/ab/abcd…`). An object appears whole or not at all.

    Every method may raise `StoreError`, and nothing else, for what the place below does wrong.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """The text that names this place, for messages."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """A small object's bytes, or `None` if there is none of that name."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Put a small object, replacing one that is there."""

    @abstractmethod
    def add_file(self, name: str, source: Path) -> None:
        """Put a file's bytes. The file stays as it is, and shares no inode with the object."""

    @abstractmethod
    def fetch(self, name: str, destination: Path) -> bool:
        """Put an object's bytes at a path that isn't there yet; false if there is no such object."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Size in bytes, or `None` if there is no such object."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects under a prefix that ends in `/`, at any depth, in no order."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; nothing happens if there is none."""

    @abstractmethod
    def move(self, name: str, target: str) -> None:
        """Rename an object; nothing happens if there is none."""
