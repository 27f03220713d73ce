"""Objects in a folder: written to a temporary file, synced, renamed; so a crash leaves no half object.

What is no plain file, a symbolic link for one, is no object. The folder itself may be a link; no link below it is followed,
since a workspace that was cloned, or a colleague who may write there, could lead what is written and removed anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
import uuid
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.digest import CHUNK, digest_pieces, digest_stream
from neuronbuild.errors import BlobCorruptError, DestinationError, StoreError
from neuronbuild.files import UnsafeNameError, check_name
from neuronbuild.store.guard import READING, WRITING, explained, guarded, refuse_links
from neuronbuild.store.link import LinkMode, copy_file, link_file
from neuronbuild.store.names import QUARANTINE, digest_of
from neuronbuild.store.objects import ANY, LIMIT, Entry, ObjectStore, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neuronbuild.digest import Digest, Pieces

READ_ONLY = 0o444
"""Mode of every object: releases may be hard links to it, and an edit there must not be a slip of the hand."""

TEMPORARY = "tmp"
"""Where files are being written, on the same file system as the objects."""

VERSIONS = "versions.lock"
"""What conditional writers hold, one at a time. There is nothing in it."""

NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@final
class LocalObjects(ObjectStore):
    """A folder of objects. Temporary files lie in `tmp/` beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self.fresh = 60.0

    def path(self, name: str) -> Path:
        """Where an object lies, or would.

        Raises:
            StoreError: the name could mean another place than one in this folder, or a link leads to another one.
        """
        try:
            check_name(name)
        except UnsafeNameError as error:
            raise StoreError(self.location, str(error)) from None
        refuse_links(self.root, name.rpartition("/")[0])
        return self.root / name

    def look(self, name: str) -> Version | None:
        """The file's bytes and state, or `None`."""
        with guarded(self.location):
            file = open_quietly(self.path(name))
            if file is None:
                return None
            with file:
                state = os.fstat(file.fileno())
                data = file.read(min(state.st_size, LIMIT) + 1)
                return Version(data, stamp_of(state), time.time() - state.st_mtime)

    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Write, sync, rename; under a lock of the folder's where the present version matters."""
        with guarded(self.location, WRITING), _versions(self.root, expected) as hold_still:
            if hold_still and _tag(self.path(name)) != expected:
                return None
            place(self.root, self.path(name), lambda temporary: temporary.write_bytes(data))
            return _tag(self.path(name))

    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """Copy (by reflink where possible), sync, rename."""

        def copy(temporary: Path) -> None:
            copy_file(source, temporary)
            if pieces is not None and digest_pieces(temporary, pieces.size) != pieces:
                raise StoreError(self.location, f"{source} holds other bytes than its name says: it isn't taken")

        with guarded(self.location, WRITING):
            place(self.root, self.path(name), copy)

    def receive(self, name: str, fill: Callable[[Path], object]) -> None:
        """Have a temporary file filled, rename. It isn't waited for the disk: what can be received can be received again.

        A loss of power may leave other bytes in its place. Whoever takes the object out checks it, and asks for it anew.
        """
        with guarded(self.location, WRITING):
            place(self.root, self.path(name), fill, lasting=False)

    def fetch(self, name: str, destination: Path, mode: LinkMode = "copy", pieces: Pieces | None = None) -> str | None:
        """Put an object at a path as `mode` says, and say how."""
        if self.stat(name) is None:
            return None
        with guarded(self.location):
            path = self.path(name)
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
            found = os.lstat(self.path(name))  # four times Path.stat's speed, called for thousands
        except NO_OBJECT:
            return None
        except OSError as error:
            raise explained(self.location, error, READING) from None
        return _entry(name, found) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[Entry]:
        """Walk the folder."""
        refuse_links(self.root, prefix)
        with guarded(self.location):
            yield from _walk(os.path.join(self.root, prefix), prefix)  # noqa: PTH118 (text all the way down: thousands of entries)

    def delete(self, name: str, expected: str = ANY) -> bool:
        """Unlink."""
        with guarded(self.location, WRITING), _versions(self.root, expected) as hold_still:
            if hold_still and _tag(self.path(name)) not in {None, expected}:
                return False
            self.path(name).unlink(missing_ok=True)
            return True

    def move(self, name: str, target: str) -> None:
        """Rename."""
        with guarded(self.location, WRITING), contextlib.suppress(FileNotFoundError):
            self.path(target).parent.mkdir(parents=True, exist_ok=True)
            self.path(name).rename(self.path(target))

    def touch(self, name: str) -> bool:
        """Set the time of the last access, which nothing else about the object depends on. Only a file's owner may."""
        try:
            state = os.lstat(self.path(name))
            os.utime(self.path(name), ns=(time.time_ns(), state.st_mtime_ns), follow_symlinks=False)
        except PermissionError:
            return False
        except OSError:
            pass  # it is gone, or nobody may write here
        return True

    def sweep(self, before: float, *, dry_run: bool = False) -> int:
        """Unlink old temporary files; never those that may be in the making."""
        before = min(before, time.time() - 2 * self.fresh)
        refuse_links(self.root, TEMPORARY)
        with guarded(self.location):
            old = [entry.name for entry in _walk(str(self.path(TEMPORARY)), f"{TEMPORARY}/") if entry.used < before]
            for name in () if dry_run else old:
                self.path(name).unlink(missing_ok=True)
        return len(old)

    def digest(self, name: str) -> Digest | None:
        """Read the file."""
        with guarded(self.location):
            file = open_quietly(self.path(name))
            if file is None:
                return None
            with file:
                return digest_stream(iter(lambda: file.read(CHUNK), b""))


def _tag(path: Path) -> str | None:
    try:
        return stamp_of(os.lstat(path))
    except NO_OBJECT:
        return None


@contextlib.contextmanager
def _versions(root: Path, expected: str | None) -> Iterator[bool]:
    """Keep other conditional writers out, where there is a condition, and say whether there is one."""
    if expected == ANY:
        yield False
        return
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root / VERSIONS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(handle)


def place(root: Path, target: Path, fill: Callable[[Path], object], *, lasting: bool = True) -> None:
    """Have a new temporary file made and put in an object's place, read-only; if it is to be lasting, all of it on the disk.

    The folder of temporary files is everybody's, and its names are changed by one at a time: so as seldom as can be.

    Raises:
        OSError: the folder can't take it.
        StoreError: a link is in the place of one of its folders.
    """
    refuse_links(root, TEMPORARY)
    folder = root / TEMPORARY
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / uuid.uuid4().hex
    try:
        fill(temporary)
        temporary.chmod(READ_ONLY)
        if lasting:
            sync(temporary)
        _rename(temporary, target, root)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if lasting:
        sync(target.parent)


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


def _rename(temporary: Path, target: Path, root: Path) -> None:
    """Rename. A folder in the object's place is put aside: it is nobody's object, and the work is done by now."""
    try:
        temporary.replace(target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    except IsADirectoryError:
        refuse_links(root, QUARANTINE)
        (aside := root / QUARANTINE).mkdir(exist_ok=True)
        target.rename(tempfile.mkdtemp(prefix=f"{target.name}-", dir=aside))
        temporary.replace(target)


def _walk(folder: str, prefix: str) -> Iterator[Entry]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # gone since the folder was read: no object any more
                yield _entry(prefix + entry.name, entry.stat(follow_symlinks=False))


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, stamp_of(found), max(found.st_atime, found.st_mtime))


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
