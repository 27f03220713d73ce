"""Objects up: large ones in parts, in parallel, in bounded memory, every part checked before it is sent."""

from __future__ import annotations

import contextlib
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from neuronbuild.digest import PIECE
from neuronbuild.errors import StoreError
from neuronbuild.store.objects.backend import UploadGoneError

if TYPE_CHECKING:
    from io import FileIO

    from neuronbuild.digest import Pieces
    from neuronbuild.store.objects.backend import Backend, Part

MOST_PARTS = 10_000
"""S3's limit."""


@final
class Uploads:
    """Sends whole files to one server."""

    def __init__(self, backend: Backend, pool: ThreadPoolExecutor) -> None:
        self._backend = backend
        self._pool = pool

    def upload(self, name: str, source: Path, pieces: Pieces | None) -> None:
        """Put a file.

        Raises:
            StoreError: also where the file holds other bytes than its pieces say.
            OSError: it can't be read.
        """
        with source.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            step = PIECE * max(1, -(-size // (PIECE * MOST_PARTS)))
            if size <= step:
                data = _pread(file.fileno(), 0, size)
                self._check(source, hashlib.sha256(data).hexdigest(), (0, size), pieces)
                self._backend.put(name, data)
                return
            for is_last in (False, True):
                try:
                    self._upload_parts(name, file, [(start, min(step, size - start)) for start in range(0, size, step)], pieces)
                except UploadGoneError:  # who put the same object meanwhile ends all other uploads of it, and so does a prune
                    found = self._backend.head(name)
                    if found is not None and found.size == size:
                        return
                    if is_last:
                        raise
                else:
                    return

    def _upload_parts(self, name: str, file: FileIO, spans: list[tuple[int, int]], pieces: Pieces | None) -> None:
        """Put an object in parts, and end other uploads of it: of pushes that were killed, or of the very same bytes."""
        upload = self._backend.begin_upload(name)
        try:
            jobs = [
                self._pool.submit(self._put_part, (name, upload, number), file, span, pieces)
                for number, span in enumerate(spans, 1)
            ]
            self._backend.complete_upload(name, upload, results(jobs))
        except BaseException:
            with contextlib.suppress(StoreError):
                self._backend.abort_upload(name, upload)
            raise
        with contextlib.suppress(StoreError):  # who may put may not always list or end uploads
            for other in self._backend.uploads(name):
                if other.name == name:
                    self._backend.abort_upload(name, other.upload)

    def end_old(self, before: float, *, dry_run: bool) -> int:
        """End all uploads in parts that were begun before then, in seconds since 1970, and say how many there were."""
        old = [each for each in self._backend.uploads("") if each.since < before]
        for each in () if dry_run else old:
            self._backend.abort_upload(each.name, each.upload)
        return len(old)

    def _put_part(self, part: tuple[str, str, int], file: FileIO, span: tuple[int, int], pieces: Pieces | None) -> Part:
        data = _pread(file.fileno(), *span)
        sha = hashlib.sha256(data)
        self._check(Path(file.name), sha.hexdigest(), span, pieces)
        return self._backend.put_part(*part, data, sha.digest())

    def _check(self, source: Path, actual: str, span: tuple[int, int], pieces: Pieces | None) -> None:
        """Compare what is about to be sent with the piece that it should be. Parts of several pieces are not compared."""
        start, length = span
        if pieces is None or not length or length > pieces.size:
            return
        number = start // pieces.size
        if number >= len(pieces.sha256) or pieces.sha256[number] != actual:
            raise StoreError(self._backend.location, f"{source} holds other bytes than its name says: it isn't sent")


def _pread(handle: int, start: int, length: int) -> bytes:
    data = os.pread(handle, length, start)
    while len(data) < length and (more := os.pread(handle, length - len(data), start + len(data))):
        data += more
    return data


def results(jobs: list[Future[Any]]) -> list[Any]:
    """What all of them gave; the first failure ends the rest."""
    try:
        return [job.result() for job in jobs]
    except BaseException:
        for job in jobs:
            job.cancel()
        wait(jobs)
        raise
