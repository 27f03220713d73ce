"""Retries for any remote object store: a backend around a backend, as restic has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, final

from neuronbuild.store.objects.backend import Backend
from neuronbuild.store.objects.base import ANY
from neuronbuild.store.objects.retry import CircuitBreaker, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from neuronbuild.store.objects.backend import Begun, Body, Page, Part
    from neuronbuild.store.objects.base import Entry, Version

Result = TypeVar("Result")


@final
class Retrying(Backend):
    """The requests of another backend, each tried as often as its failures and a policy say, through one circuit breaker."""

    def __init__(self, inner: Backend, policy: RetryPolicy) -> None:
        self.inner = inner
        self.location = inner.location
        self.refused = inner.refused
        self.rights = inner.rights
        self._breaker = CircuitBreaker(inner.location, policy)

    def get(self, name: str, limit: int) -> Version | None:
        """Retry reading a small object."""
        return self._breaker.call(lambda: self.inner.get(name, limit))

    def receive(self, name: str, take: Callable[[Body, int], Result], span: tuple[int, int] | None = None) -> Result | None:
        """Retry a range, from its first byte on."""
        return self._breaker.call(lambda: self.inner.receive(name, take, span))

    def head(self, name: str) -> Entry | None:
        """Retry asking for an entry."""
        return self._breaker.call(lambda: self.inner.head(name))

    def put(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Retry putting a small object."""
        return self._breaker.call(lambda: self.inner.put(name, data, expected))

    def delete(self, name: str, expected: str = ANY) -> bool:
        """Retry removing an object."""
        return self._breaker.call(lambda: self.inner.delete(name, expected))

    def copy(self, name: str, target: str) -> bool:
        """Retry copying an object."""
        return self._breaker.call(lambda: self.inner.copy(name, target))

    def list_page(self, prefix: str, position: Hashable | None) -> Page:
        """Retry one page of a listing."""
        return self._breaker.call(lambda: self.inner.list_page(prefix, position))

    def begin_upload(self, name: str) -> str:
        """Retry beginning an upload."""
        return self._breaker.call(lambda: self.inner.begin_upload(name))

    def put_part(self, name: str, upload: str, number: int, data: bytes, sha256: bytes) -> Part:
        """Retry sending one part."""
        return self._breaker.call(lambda: self.inner.put_part(name, upload, number, data, sha256))

    def complete_upload(self, name: str, upload: str, parts: Sequence[Part]) -> None:
        """Retry completing an upload."""
        return self._breaker.call(lambda: self.inner.complete_upload(name, upload, parts))

    def abort_upload(self, name: str, upload: str) -> None:
        """Retry ending an upload."""
        return self._breaker.call(lambda: self.inner.abort_upload(name, upload))

    def uploads(self, prefix: str) -> Sequence[Begun]:
        """Retry listing uploads."""
        return self._breaker.call(lambda: self.inner.uploads(prefix))
