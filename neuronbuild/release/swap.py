"""Putting a finished folder in place of an old one in a single step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RENAME_EXCHANGE = 2
AT_FDCWD = -100
"""renameat2(2): swap two paths atomically."""


def put_in_place(fresh: Path, place: Path) -> None:
    """Make `place` be the folder `fresh`; what was there before is removed afterwards. Nobody ever sees half of either.

    Raises:
        OSError: a folder can't be renamed.
    """
    old = fresh.with_name(fresh.name + ".old")
    shutil.rmtree(old, ignore_errors=True)  # of a process that was killed below
    if not place.exists():
        fresh.rename(place)
    elif _exchange(fresh, place):
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        # A file system without the exchange: two renames, and a moment without the folder between them.
        place.rename(old)
        fresh.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(other))
