"""What an operating system says of a store in a folder, as an error of the store with advice."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from neuronbuild.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAY_READ = "ask its owner for the right to read it, or name a folder that you may read with --cache or NEURONBUILD_CACHE"
SPACE = "free some space and run the same command again; what was finished is kept"
LINK = "only the folder of a store itself may be a link: put what this one leads to in its place, or name another --cache"
READING = {
    errno.EACCES: MAY_READ,
    errno.ELOOP: LINK,
    errno.ENOTDIR: "--cache must name a folder",
}
WRITING = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EROFS: "name a folder that can be written with --cache or NEURONBUILD_CACHE",
    errno.EACCES: "name a folder that you may write with --cache or NEURONBUILD_CACHE",
    errno.ELOOP: LINK,
    errno.ENOTDIR: "--cache must name a folder",
}
"""Advice by what the system says, for what was tried."""


@contextlib.contextmanager
def guarded(location: str, hints: Mapping[int, str] = READING) -> Iterator[None]:
    """Turn what an operating system says into the error of a store."""
    try:
        yield
    except OSError as error:
        raise explained(location, error, hints) from None


def refuse_links(root: Path, folder: str) -> None:
    """Let a folder through that lies in a store by its real place. The store's own folder may be a link.

    Raises:
        StoreError: it, or one that it lies in, is a link.
    """
    place = str(root)
    for part in filter(None, folder.split("/")):
        place = f"{place}/{part}"
        if os.path.islink(place):  # noqa: PTH114 (text all the way down: called for thousands)
            raise StoreError(str(root), f"{place} is a link, and isn't followed", hint=LINK)


def explained(location: str, error: OSError, hints: Mapping[int, str]) -> StoreError:
    """The error of a store that a failed call of the system comes to."""
    name = error.filename2 or error.filename  # of a rename, where to
    return StoreError(location, f"{name}: {error.strerror}" if name else str(error), hint=hints.get(error.errno or 0))
