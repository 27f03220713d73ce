"""Objects on a remote server, over any `Backend`: transfers in parallel, conditional writes, and what stands in for them.

Downloads are checked against the pieces that a manifest names as they arrive: no library notices a damaged range.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

from neuronbuild.digest import digest_stream
from neuronbuild.errors import BlobMissingError, DestinationError, StoreError
from neuronbuild.store.objects.backend import AS_S3, ENDLESS
from neuronbuild.store.objects.base import ANY, LIMIT, Entry, ObjectStore, Version
from neuronbuild.store.objects.conditions import Conditions, is_same_version, server_tag
from neuronbuild.store.objects.remote_download import Downloads
from neuronbuild.store.objects.remote_upload import Uploads
from neuronbuild.store.objects.retry import RetryPolicy
from neuronbuild.store.objects.retrying import Retrying

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from pathlib import Path

    from neuronbuild.digest import Digest, Pieces
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.objects.backend import Backend

FRESH = 6 * 3600.0
"""Noting a use is a request, and servers' own rules for old objects count in days."""

WORKERS = max(4, min(8, 2 * (os.cpu_count() or 1)))
"""Two to a processor: one hashes while the other waits for its line. More of them only wait for each other's writes."""


@final
class RemoteObjects(ObjectStore):
    """One server's objects below one prefix. `policy` says how long it is waited for."""

    def __init__(self, backend: Backend, policy: RetryPolicy | None = None) -> None:
        self.location = backend.location
        self.fresh = FRESH
        self.refused = backend.refused
        self._backend = Retrying(backend, policy or RetryPolicy())
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="remote")
        self._uploads = Uploads(self._backend, pool)
        self._downloads = Downloads(self._backend, pool)
        self._conditions = Conditions(self._backend)

    def look(self, name: str) -> Version | None:
        """The start of it, if it is large."""
        return self._conditions.tagged(self._backend.get(name, LIMIT + 1))

    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """One request, under a condition where the server heeds them."""
        if expected == ANY:
            return self._conditions.put(name, data, ANY)
        if not self.honours_conditions():
            return self._write_unconditionally(name, data, expected)
        tag = self._conditions.put(name, data, None if expected is None else server_tag(expected))
        if tag is not None:
            return tag
        found = self.look(name)
        if found is None and name in self.refused:  # archived, for one: it counts as missing, and is replaced
            return self._conditions.put(name, data, ANY)
        # an answer that got lost, and a second try, look like this too
        return found.tag if found is not None and found.data == data and found.tag != expected else None

    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """One request, or an upload in parts, in parallel."""
        try:
            self._uploads.upload(name, source, pieces)
        except OSError as error:
            raise StoreError(self.location, f"{source} can't be read: {error.strerror}") from None

    def read_to(
        self,
        name: str,
        destination: Path,
        mode: LinkMode = "copy",  # noqa: ARG002 (nothing to link to)
        pieces: Pieces | None = None,
    ) -> str | None:
        """In ranges, in parallel, each written in its place and checked against its pieces."""
        try:
            found = self._downloads.download(name, destination, pieces)
        except OSError as error:
            raise DestinationError(self.location, str(destination), error) from None
        return "copy" if found else None

    def stat(self, name: str) -> Entry | None:
        """One request."""
        return self._backend.head(name)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Page by page."""
        position: Hashable | None = None
        seen = {position}
        while True:
            page = self._backend.list_page(prefix, position)
            yield from (entry for entry in page.entries if entry.name not in self.refused)
            if page.following is None:
                return
            if page.following in seen:
                raise StoreError(self.location, ENDLESS, hint=AS_S3)
            position = page.following
            seen.add(position)

    def delete(self, name: str, expected: str = ANY) -> bool:
        """One request, under a condition where the server heeds them."""
        if expected == ANY:
            return self._backend.delete(name)
        found = self.look(name)
        if found is None:
            return True
        if self.honours_conditions():
            return found.tag == expected and self._backend.delete(name, server_tag(expected))
        return is_same_version(found.tag, expected) and self._backend.delete(name)

    def move(self, name: str, target: str) -> None:
        """Copy over there, then delete."""
        if self._backend.copy(name, target):
            self.delete(name)

    def touch(self, name: str) -> bool:
        """Copy onto itself, which sets the date; a store that may only be read stays as it is."""
        with contextlib.suppress(StoreError):
            self._backend.copy(name, name)
        return True

    def digest(self, name: str) -> Digest | None:
        """As a stream."""
        stream = self._downloads.stream(name)
        with contextlib.suppress(BlobMissingError):  # it went meanwhile, or isn't handed out
            return None if stream is None else digest_stream(stream)
        return None

    def sweep(self, before: float, *, dry_run: bool = False) -> int:
        """End multipart uploads that were begun before then: of a push that was killed, nobody else does."""
        return self._uploads.end_old(before, dry_run=dry_run)

    def honours_conditions(self) -> bool:
        """Whether the server heeds conditional headers."""
        return self._conditions.are_heeded()

    def _write_unconditionally(self, name: str, data: bytes, expected: str | None) -> str | None:
        """Look before and after instead: of two who write at the same moment, the last one is told that it has."""
        before = self.look(name)
        if not is_same_version(before.tag if before else None, expected):
            return None
        self._conditions.put(name, data, ANY)
        after = self.look(name)
        return after.tag if after is not None and after.data == data else None
