"""Putting a file's bytes at another path without copying them, where the file system can."""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

LinkMode = Literal["auto", "reflink", "hardlink", "copy"]

FICLONE = 0x40049409
"""The ioctl by which Linux shares extents between files (ioctl_ficlone(2))."""


def reflink(source: Path, destination: Path) -> bool:
    """Make `destination` share `source`'s extents until either is written; false where that can't be done."""
    with source.open("rb") as read, destination.open("xb") as write:
        try:
            fcntl.ioctl(write, FICLONE, read.fileno())
        except OSError:
            shared = False
        else:
            shared = True
    if not shared:
        destination.unlink()
    return shared


def copy_file(source: Path, destination: Path) -> None:
    """Copy bytes to a new file, whole or not at all: by reflink where possible. Modes and times are left behind.

    Raises:
        OSError: `destination` is there already, or either can't be used.
    """
    if reflink(source, destination):
        return
    with source.open("rb") as read, destination.open("xb") as write:
        try:
            shutil.copyfileobj(read, write, 1 << 20)
            write.flush()
        except OSError:
            destination.unlink()
            raise


def link_file(source: Path, destination: Path, mode: LinkMode = "auto") -> str:
    """Put an immutable file at a new path, and say how: reflink, else hard link (read-only), else copy.

    Raises:
        OSError: the way that was asked for isn't possible here.
    """
    if mode in {"auto", "reflink"} and reflink(source, destination):
        return "reflink"
    if mode == "reflink":
        raise OSError(f"no reflinks between {source} and {destination}")
    if mode in {"auto", "hardlink"}:
        try:
            os.link(source, destination)
        except OSError:
            if mode == "hardlink":
                raise
        else:
            return "hardlink"
    copy_file(source, destination)
    return "copy"
