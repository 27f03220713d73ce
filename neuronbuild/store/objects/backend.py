"""The interface of a remote object store's server, request by request: what differs between S3 and others, and nothing else.

What is common is written once, over this interface: `Retrying` repeats failed requests, `RemoteObjects` makes an `ObjectStore`
of it, with transfers in parallel and checked ranges. The requests are retried, and not the operations of an `ObjectStore`: so a
transfer of a thousand ranges repeats the one that failed. docs/add-a-store.md has a worked example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.base import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from neuronbuild.store.objects.base import Entry, Version

ENDLESS = "its listing doesn't come to an end"
AS_S3 = "use a server that lists as S3 does"

Result = TypeVar("Result")


class Body(Protocol):
    """What a server sends of an object, as it arrives."""

    def readinto(self, block: memoryview, /) -> int:
        """Read some bytes into a block, and give their number; 0 at the end."""


class Page(NamedTuple):
    """Some entries of a listing, and what the next page is asked for by; `None` if there is no more."""

    entries: Sequence[Entry]
    following: Hashable | None = None


class Part(NamedTuple):
    """A part of an upload that the server has: its number, from 1 on, the server's tag for it, and the SHA-256 of its bytes."""

    number: int
    tag: str
    sha256: bytes


class Begun(NamedTuple):
    """An upload in parts that isn't over: of what object, by what word of the server's, and since when (seconds since 1970)."""

    name: str
    upload: str
    since: float


class Backend(ABC):
    """One server's objects below one prefix. Each method is one try: it neither waits nor asks again.

    Methods raise `StoreOutageError` where there is no answer, `StoreBusyError` where the server wants to be asked again later,
    and another `StoreError` where its answer is final. Tags are the server's own; empty if it gives none.
    """

    location: str
    """The text that names this place, for messages."""

    refused: Mapping[str, str] = MappingProxyType({})
    """As of an `ObjectStore`."""

    rights: str = "the credentials must allow reading as well as writing"
    """Advice where an object that was put can't be read."""

    @abstractmethod
    def get(self, name: str, limit: int) -> Version | None:
        """The first bytes of an object, as many as that, or `None` if there is none."""

    @abstractmethod
    def receive(self, name: str, take: Callable[[Body, int], Result], span: tuple[int, int] | None = None) -> Result | None:
        """Hand an object's bytes to `take` as they arrive, with their number, and give its result; `None` if there is none.

        `span` is the first byte and the number of bytes of a range.
        """

    @abstractmethod
    def head(self, name: str) -> Entry | None:
        """What a listing would say of an object, or `None`."""

    @abstractmethod
    def put(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Put a small object if the present one has that tag (`None`: if there is none), and give its tag; `None` if not.

        Raises:
            ConditionRefusedError: the server takes no conditions.
        """

    @abstractmethod
    def delete(self, name: str, expected: str = ANY) -> bool:
        """Remove an object if it has that tag, as far as the server takes conditions. One that is gone is removed."""

    @abstractmethod
    def copy(self, name: str, target: str) -> bool:
        """Copy an object on the server; false if there is none. Onto itself, it sets the date."""

    @abstractmethod
    def list_page(self, prefix: str, position: Hashable | None) -> Page:
        """The first page of a listing, or the one that a page before named."""

    @abstractmethod
    def begin_upload(self, name: str) -> str:
        """Begin an upload in parts, and give the server's word for it."""

    @abstractmethod
    def put_part(self, name: str, upload: str, number: int, data: bytes, sha256: bytes) -> Part:
        """Send one part."""

    @abstractmethod
    def complete_upload(self, name: str, upload: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts.

        Raises:
            UploadGoneError: the upload was ended by somebody else, or is over already.
        """

    @abstractmethod
    def abort_upload(self, name: str, upload: str) -> None:
        """End an upload. One that is over is no error."""

    @abstractmethod
    def uploads(self, prefix: str) -> Sequence[Begun]:
        """Uploads that are under way below a prefix. A server that can't list them has none."""


class UploadGoneError(StoreError):
    """An upload in parts that was ended by somebody else, or is over already."""


class ConditionRefusedError(Exception):
    """A server that takes no conditional writes. It is never seen outside: another way is taken."""
