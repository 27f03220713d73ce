"""Native code as it was verified: a private copy is checked and loaded, so that no file can be swapped in between.

A copy has no name. It lies below TMPDIR, where torch unpacks packages as well, and is gone when it is closed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.counts import counted
from neuronbuild.digest import CHUNK, Digest
from neuronbuild.files import check_names, open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MOST_LISTED = 1 << 20
"""Bytes of a package's list of entries, which is read at once: some ten thousand. A package has tens."""


class AlteredError(ValueError):
    """A file that holds other bytes than were recorded."""


@contextlib.contextmanager
def private_copy(file: Path, digest: Digest) -> Iterator[Path]:
    """The path of a copy that holds just the bytes of that digest, in bounded memory.

    Raises:
        AlteredError: the file holds others.
        OSError: it can't be read, or there is no room for a copy.
    """
    sha, size = hashlib.sha256(), 0
    with open_plain(file) as source, tempfile.TemporaryFile() as copy:
        while size <= digest.size and (data := source.read(CHUNK)):
            sha.update(data)
            size += len(data)
            copy.write(data)
        if Digest(sha.hexdigest(), size) != digest:
            raise AlteredError(str(file))
        yield _path_of(copy)


@contextlib.contextmanager
def private_package(file: Path, digest: Digest) -> Iterator[Path]:
    """The path of a package (`.pt2`) with the entries of one that holds just the bytes of that digest.

    torch unpacks whatever it finds, by names that it doesn't check. So a package is written anew from entries that were
    checked: no other reading of the same bytes, of which archives have several, can bring in others.

    Raises:
        AlteredError: the file holds other bytes.
        OSError: it can't be read, or there is no room for a copy.
        ValueError: it is no package, or an entry has an unsafe name, is a link, or is compressed.
    """
    with tempfile.TemporaryFile() as copy:
        with private_copy(file, digest) as whole:
            _repack(whole, copy)
        yield _path_of(copy)


class _Bounded(io.BufferedReader):
    """A file of which no more than `MOST_LISTED` bytes are read at once: an archive says itself how long its list is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_LISTED:
            raise ValueError(f"its list of entries has {counted(size, 'byte')}, at most {MOST_LISTED:,} are read")
        return super().read(size)


def _repack(whole: Path, copy: IO[bytes]) -> None:
    """Copy a package entry by entry, in bounded memory."""
    try:
        with _Bounded(io.FileIO(whole)) as file, zipfile.ZipFile(file) as package, zipfile.ZipFile(copy, "w") as clean:
            entries = package.infolist()
            check_names(entry.filename for entry in entries)
            packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise ValueError(f"its entry {packed[0][:80]!a} is compressed")
            if sum(entry.file_size for entry in entries) > whole.stat().st_size:
                raise ValueError("its entries have more bytes than it has itself")
            for entry in entries:
                made = zipfile.ZipInfo(entry.filename)
                made.file_size = entry.file_size
                with package.open(entry) as source, clean.open(made, "w") as target:
                    shutil.copyfileobj(source, target, CHUNK)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:  # the third: features of other kinds
        raise ValueError(f"it is no package: {error}") from None


def _path_of(copy: IO[bytes]) -> Path:
    copy.flush()
    return Path(f"/proc/self/fd/{copy.fileno()}")
