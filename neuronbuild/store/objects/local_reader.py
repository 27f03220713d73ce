"""Objects in a folder, as far as they are read.

What is no plain file, a symbolic link for one, is no object. The folder itself may be a link; no link below it is followed,
since a workspace that was cloned, or a colleague who may write there, could lead what is written and removed anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from io import FileIO
from typing import TYPE_CHECKING

from neuronbuild.digest import CHUNK, digest_pieces, digest_stream
from neuronbuild.errors import BlobCorruptError, DestinationError, StoreError
from neuronbuild.files import UnsafeNameError, check_name
from neuronbuild.store.link import LinkMode, link_file
from neuronbuild.store.names import digest_of
from neuronbuild.store.objects.base import LIMIT, Entry, ObjectReader, Version
from neuronbuild.store.objects.guard import READING, explained, guarded, refuse_links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.digest import Digest, Pieces

NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalReader(ObjectReader):
    """A folder of objects, without what writes there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self.fresh = 60.0

    def local_path(self, name: str = "") -> Path:
        """The file that an object is, or would be; the folder of all, without a name.

        Raises:
            StoreError: the name could mean another place than one in this folder, or a link leads to another one.
        """
        if not name:
            return self.root
        try:
            check_name(name)
        except UnsafeNameError as error:
            raise StoreError(self.location, str(error)) from None
        refuse_links(self.root, name.rpartition("/")[0])
        return self.root / name

    def look(self, name: str) -> Version | None:
        """The file's bytes and state, or `None`."""
        with guarded(self.location):
            file = open_quietly(self.local_path(name))
            if file is None:
                return None
            with file:
                state = os.fstat(file.fileno())
                data = file.read(min(state.st_size, LIMIT) + 1)
                return Version(data, stamp_of(state), time.time() - state.st_mtime)

    def read_to(self, name: str, destination: Path, mode: LinkMode = "copy", pieces: Pieces | None = None) -> str | None:
        """Put an object at a path as `mode` says, and say how."""
        if self.stat(name) is None:
            return None
        with guarded(self.location):
            path = self.local_path(name)
            path.open("rb").close()
            try:
                how = link_file(path, destination, mode)
            except OSError as error:
                if error.errno == errno.EIO:  # either disk's
                    raise
                raise DestinationError(self.location, str(destination), error) from None
            if pieces is not None and digest_pieces(destination, pieces.size) != pieces:
                destination.unlink()
                raise BlobCorruptError(self.location, digest_of(name) or name, "its pieces differ")
            return how

    def stat(self, name: str) -> Entry | None:
        """State of the file, or `None`."""
        try:
            found = os.lstat(self.local_path(name))  # four times Path.stat's speed, called for thousands
        except NO_OBJECT:
            return None
        except OSError as error:
            raise explained(self.location, error, READING) from None
        return _entry(name, found) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[Entry]:
        """Walk the folder."""
        refuse_links(self.root, prefix)
        with guarded(self.location):
            yield from walk(os.path.join(self.root, prefix), prefix)  # noqa: PTH118 (text all the way down: thousands of entries)

    def digest(self, name: str) -> Digest | None:
        """Read the file."""
        with guarded(self.location):
            file = open_quietly(self.local_path(name))
            if file is None:
                return None
            with file:
                return digest_stream(iter(lambda: file.read(CHUNK), b""))


def open_quietly(path: Path) -> FileIO | None:
    """A plain file to read, or `None`. Reading it is no use of it: its time of access stays, where the system allows that.

    Raises:
        OSError: it is there, but can't be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            handle = os.open(path, flags | os.O_NOATIME)
        except PermissionError:  # only its owner may leave the time alone
            handle = os.open(path, flags)
    except OSError as error:  # asked first, it could go in between; a link is no object
        if isinstance(error, NO_OBJECT) or error.errno == errno.ELOOP:
            return None
        raise
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return FileIO(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        return None
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def stamp_of(state: os.stat_result) -> str:
    """What changes with every writing of a file: objects are replaced, so a new one has a new inode."""
    return f"{state.st_mtime_ns}.{state.st_ino}"


def walk(folder: str, prefix: str) -> Iterator[Entry]:
    """Plain files under a folder, named from a prefix on."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # gone since the folder was read: no object any more
                yield _entry(prefix + entry.name, entry.stat(follow_symlinks=False))


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, stamp_of(found), max(found.st_atime, found.st_mtime))
