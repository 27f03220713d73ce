"""Reading files whose names somebody else chose."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_plain(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, of at most `most` bytes. A pipe of that name would be waited on for ever.

    Raises:
        OSError: it can't be read, is no regular file, or is larger.
    """
    with open(path, "rb", opener=_open) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"it has {found.st_size:,} bytes, at most {most:,} are read", str(path))
        return file.read()


def _open(path: str, flags: int) -> int:
    """A pipe opens at once this way, and is looked at before it is read."""
    return os.open(path, flags | os.O_NONBLOCK)
