"""Native code as it was verified: a private copy is checked and loaded, so that no file can be swapped in between.

A copy has no name. It lies below TMPDIR, where torch unpacks packages as well, and is gone when it is closed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.digest import CHUNK, Digest, digest_bytes
from neuronbuild.files import check_names, open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MOST = 1 << 30
"""Bytes of a package. One has a few million: weights lie elsewhere."""


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
    with open_plain(file) as source:
        data = source.read(min(digest.size, MOST) + 1)
    if digest_bytes(data) != digest:
        raise AlteredError(str(file))
    with tempfile.TemporaryFile() as copy:
        _repack(data, copy)
        yield _path_of(copy)


def _repack(data: bytes, copy: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(copy, "w") as clean:
            entries = package.infolist()
            check_names(entry.filename for entry in entries)
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its entry {entry.filename[:80]!a} is compressed")
                clean.writestr(zipfile.ZipInfo(entry.filename), package.read(entry))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:  # the third: features of other kinds
        raise ValueError(f"it is no package: {error}") from None


def _path_of(copy: IO[bytes]) -> Path:
    copy.flush()
    return Path(f"/proc/self/fd/{copy.fileno()}")
