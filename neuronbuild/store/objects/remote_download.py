"""Objects down: large ones in ranges, in parallel, in bounded memory, every range checked.

A download asks for the size first, and then for all ranges at once, each of which is written in its place. Where pieces are
known, each is checked as it arrives, and only a damaged one is fetched again.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from neuronbuild.counts import counted
from neuronbuild.digest import PIECE
from neuronbuild.errors import BlobCorruptError, BlobMissingError, StoreError, StoreOutageError
from neuronbuild.store.names import digest_of
from neuronbuild.store.objects.remote_upload import results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from neuronbuild.digest import Pieces
    from neuronbuild.store.objects.backend import Backend, Body

RANGE = 4 * PIECE
"""Bytes asked for at a time. Requests of this size cost next to nothing, and four of them fill a line."""

BLOCK = 1 << 18
"""Bytes received at a time, into memory that is used again: few enough to be hashed and written from the processor's cache."""

SMALL_WRITE = 1 << 15
"""Bytes written at a time: the kernel takes memory for a file in pieces as large as the writes, and has small ones at hand."""

TRIES = 4
"""How often a piece is fetched that arrives damaged, before the object itself is taken to be."""


@dataclass(frozen=True, slots=True)
class _Download:
    """An object on its way into an open file: its size, and what its pieces must be."""

    name: str
    handle: int
    total: int
    pieces: Pieces | None


@final
class Downloads:
    """Fetches whole objects from one server."""

    def __init__(self, backend: Backend, pool: ThreadPoolExecutor) -> None:
        self._backend = backend
        self._pool = pool

    def download(self, name: str, destination: Path, pieces: Pieces | None) -> bool:
        """Put an object at a path that isn't there yet, whole or not at all; false if there is no such object.

        Raises:
            StoreError: also where a piece is damaged over there.
            OSError: the file can't be written.
        """
        handle = os.open(destination, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        found = False
        try:
            found = self._download(name, handle, pieces)
        finally:
            os.close(handle)
            if not found:
                destination.unlink()
        return found

    def _download(self, name: str, handle: int, pieces: Pieces | None) -> bool:
        size = pieces.size if pieces else PIECE
        step = max(1, RANGE // size) * size
        if pieces is not None and size * len(pieces.sha256) <= step:
            return self._download_whole(name, handle, pieces)
        found = self._backend.head(name)
        if found is None:
            return False
        download = _Download(name, handle, found.size, pieces)
        self._refuse_misfit(download)
        spans = [(start, min(step, found.size - start)) for start in range(0, found.size, step)]
        self._mend(download, results([self._pool.submit(self._get, download, span) for span in spans]))
        return True

    def _download_whole(self, name: str, handle: int, pieces: Pieces) -> bool:
        """Fetch by one request what is small, with its size in the answer."""

        def drain(body: Body, total: int) -> tuple[_Download, list[int]]:
            download = _Download(name, handle, total, pieces)
            return download, self._drain(body, download, (0, min(total, pieces.size * len(pieces.sha256))))

        drained = self._backend.receive(name, drain)
        if drained is None:
            return False
        download, damaged = drained
        self._refuse_misfit(download)
        self._mend(download, [damaged])
        return True

    def _refuse_misfit(self, download: _Download) -> None:
        if download.pieces is not None and not download.pieces.fit(download.total):
            raise BlobCorruptError(self._backend.location, _blob(download.name), counted(download.total, "byte"))

    def _get(self, download: _Download, span: tuple[int, int]) -> list[int]:
        """Fetch a range, and give the numbers of the pieces in it that arrived damaged."""
        damaged = self._backend.receive(download.name, lambda body, _: self._drain(body, download, span), span)
        if damaged is None:
            raise BlobMissingError(self._backend.location, _blob(download.name))
        return damaged

    def _mend(self, download: _Download, damaged: list[list[int]]) -> None:
        """Fetch pieces again."""
        size = download.pieces.size if download.pieces else PIECE
        for piece in itertools.chain.from_iterable(damaged):
            span = (piece * size, min(size, download.total - piece * size))
            if all(self._get(download, span) for _ in range(TRIES)):
                raise BlobCorruptError(self._backend.location, _blob(download.name), f"in bytes {span[0]:,} to {sum(span):,}")

    def stream(self, name: str) -> Iterator[bytes] | None:
        """An object's bytes in order, a piece at a time, the next one fetched meanwhile; `None` if there is no such object."""
        found = self._backend.head(name)
        return None if found is None else self._stream(name, found.size)

    def _stream(self, name: str, size: int) -> Iterator[bytes]:
        def get(start: int) -> bytes:
            span = (start, min(PIECE, size - start))
            data = self._backend.receive(name, lambda body, _: self._read_all(body, span[1]), span)
            if data is None:
                raise BlobMissingError(self._backend.location, _blob(name))
            return data

        ahead = None
        for start in range(0, size, PIECE):
            data = ahead.result() if ahead else get(start)
            ahead = self._pool.submit(get, start + PIECE) if start + PIECE < size else None
            yield data

    def _drain(self, body: Body, download: _Download, span: tuple[int, int]) -> list[int]:
        """Write a range in its place as it arrives, and give the numbers of the pieces in it that are damaged."""
        start, left = span
        size = download.pieces.size if download.pieces else PIECE
        damaged: list[int] = []
        sha = hashlib.sha256()
        block = memoryview(bytearray(min(BLOCK, left)))
        while left:
            room = size - start % size
            data = block[: body.readinto(block[: min(left, room)])]
            if not data:
                raise self._short()
            _pwrite(download.handle, data, start)
            start, left = start + len(data), left - len(data)
            if download.pieces is not None:
                sha.update(data)
                if len(data) == room or start == download.total:
                    number = (start - 1) // size
                    if number >= len(download.pieces.sha256) or download.pieces.sha256[number] != sha.hexdigest():
                        damaged.append(number)
                    sha = hashlib.sha256()
        return damaged

    def _read_all(self, body: Body, length: int) -> bytes:
        """A range as bytes."""
        data = bytearray(length)
        received = 0
        while received < length:
            count = body.readinto(memoryview(data)[received:])
            if not count:
                raise self._short()
            received += count
        return bytes(data)

    def _short(self) -> StoreOutageError:
        """The error of a body that ended early."""
        location = self._backend.location
        return StoreOutageError(
            location, StoreError(location, "it can't be reached (the answer ended early)", hint="check the network")
        )


def _pwrite(handle: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(handle, data[:SMALL_WRITE], start)
        data, start = data[written:], start + written


def _blob(name: str) -> str:
    return digest_of(name) or name
