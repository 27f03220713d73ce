"""Objects down: large ones in ranges, in parallel, in bounded memory, every range checked.

A download asks for the size first, and then for all ranges at once, each of which is written in its place. Where pieces are
known, each is checked as it arrives, and only a damaged one is fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, final

from botocore.exceptions import ResponseStreamingError

from neuronbuild.counts import counted
from neuronbuild.digest import PIECE
from neuronbuild.errors import BlobCorruptError, BlobMissingError
from neuronbuild.store.names import digest_of
from neuronbuild.store.s3_upload import results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from neuronbuild.digest import Pieces
    from neuronbuild.store.s3_bucket import Bucket

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


class _ShortBodyError(ResponseStreamingError):  # type: ignore[misc]  # boto3 is untyped
    """A body that ended early."""

    def __init__(self) -> None:
        super().__init__(error="the answer ended early")


@final
class Downloads:
    """Fetches whole objects from one bucket."""

    def __init__(self, bucket: Bucket, pool: ThreadPoolExecutor) -> None:
        self._bucket = bucket
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
        found = self._bucket.head(name)
        if found is None:
            return False
        download = _Download(name, handle, found.size, pieces)
        self._refuse_misfit(download)
        spans = [(start, min(step, found.size - start)) for start in range(0, found.size, step)]
        self._mend(download, results([self._pool.submit(self._get, download, span) for span in spans]))
        return True

    def _download_whole(self, name: str, handle: int, pieces: Pieces) -> bool:
        """Fetch by one request what is small, with its size in the answer."""

        def drain(line: Any, total: int) -> tuple[_Download, list[int]]:  # noqa: ANN401 (urllib3's response)
            download = _Download(name, handle, total, pieces)
            return download, _drain(line, download, (0, min(total, pieces.size * len(pieces.sha256))))

        drained = self._bucket.receive(name, drain)
        if drained is None:
            return False
        download, damaged = drained
        self._refuse_misfit(download)
        self._mend(download, [damaged])
        return True

    def _refuse_misfit(self, download: _Download) -> None:
        if download.pieces is not None and not download.pieces.fit(download.total):
            raise BlobCorruptError(self._bucket.location, _blob(download.name), counted(download.total, "byte"))

    def _get(self, download: _Download, span: tuple[int, int]) -> list[int]:
        """Fetch a range, and give the numbers of the pieces in it that arrived damaged."""
        damaged = self._bucket.receive(download.name, lambda line, _: _drain(line, download, span), span)
        if damaged is None:
            raise BlobMissingError(self._bucket.location, _blob(download.name))
        return damaged

    def _mend(self, download: _Download, damaged: list[list[int]]) -> None:
        """Fetch pieces again."""
        size = download.pieces.size if download.pieces else PIECE
        for piece in itertools.chain.from_iterable(damaged):
            span = (piece * size, min(size, download.total - piece * size))
            if all(self._get(download, span) for _ in range(TRIES)):
                raise BlobCorruptError(self._bucket.location, _blob(download.name), f"in bytes {span[0]:,} to {sum(span):,}")

    def stream(self, name: str) -> Iterator[bytes] | None:
        """An object's bytes in order, a piece at a time, the next one fetched meanwhile; `None` if there is no such object."""
        found = self._bucket.head(name)
        return None if found is None else self._stream(name, found.size)

    def _stream(self, name: str, size: int) -> Iterator[bytes]:
        def get(start: int) -> bytes:
            span = (start, min(PIECE, size - start))
            data = self._bucket.receive(name, lambda line, _: _read_all(line, span[1]), span)
            if data is None:
                raise BlobMissingError(self._bucket.location, _blob(name))
            return data

        ahead = None
        for start in range(0, size, PIECE):
            data = ahead.result() if ahead else get(start)
            ahead = self._pool.submit(get, start + PIECE) if start + PIECE < size else None
            yield data


def _drain(line: Any, download: _Download, span: tuple[int, int]) -> list[int]:  # noqa: ANN401 (urllib3's response)
    """Write a range in its place as it arrives, and give the numbers of the pieces in it that are damaged."""
    start, left = span
    size = download.pieces.size if download.pieces else PIECE
    damaged: list[int] = []
    sha = hashlib.sha256()
    block = memoryview(bytearray(min(BLOCK, left)))
    with contextlib.closing(line):
        while left:
            room = size - start % size
            data = block[: _receive(line, block[: min(left, room)])]
            if not data:
                raise _ShortBodyError
            _pwrite(download.handle, data, start)
            start, left = start + len(data), left - len(data)
            if download.pieces is not None:
                sha.update(data)
                if len(data) == room or start == download.total:
                    number = (start - 1) // size
                    if number >= len(download.pieces.sha256) or download.pieces.sha256[number] != sha.hexdigest():
                        damaged.append(number)
                    sha = hashlib.sha256()
        _give_back(line)
    return damaged


def _read_all(line: Any, length: int) -> bytes:  # noqa: ANN401 (urllib3's response)
    """A range as bytes."""
    data = bytearray(length)
    received = 0
    with contextlib.closing(line):
        while received < length:
            count = _receive(line, memoryview(data)[received:])
            if not count:
                raise _ShortBodyError
            received += count
        _give_back(line)
    return bytes(data)


def _give_back(line: Any) -> None:  # noqa: ANN401 (urllib3's response)
    """Have a connection used again whose answer was read to its end, which urllib3 hasn't seen."""
    if line._fp.isclosed():  # noqa: SLF001
        line.release_conn()


def _receive(line: Any, block: memoryview) -> int:  # noqa: ANN401 (urllib3's response)
    """Fill some of a block from the connection itself."""
    try:
        return line._fp.readinto(block)  # type: ignore[no-any-return]  # noqa: SLF001 (where botocore sets its time limit too)
    except (OSError, HTTPException) as error:
        raise ResponseStreamingError(error=error) from error


def _pwrite(handle: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(handle, data[:SMALL_WRITE], start)
        data, start = data[written:], start + written


def _blob(name: str) -> str:
    return digest_of(name) or name
