"""Objects in a folder: written to a temporary file, synced, renamed; so a crash leaves no half object."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, final

from neuronbuild.digest import digest_pieces
from neuronbuild.errors import StoreError
from neuronbuild.store.link import copy_file
from neuronbuild.store.names import QUARANTINE
from neuronbuild.store.objects.base import ANY, ObjectStore
from neuronbuild.store.objects.guard import WRITING, guarded, refuse_links
from neuronbuild.store.objects.local_reader import NO_OBJECT, LocalReader, stamp_of, walk
from neuronbuild.store.objects.locked_file import LockedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from neuronbuild.digest import Pieces
    from neuronbuild.store.objects.base import Lock

READ_ONLY = 0o444
"""Mode of every object: releases may be hard links to it, and an edit there must not be a slip of the hand."""

TEMPORARY = "tmp"
"""Where files are being written, on the same file system as the objects."""

VERSIONS = "versions.lock"
"""What conditional writers hold, one at a time. There is nothing in it."""


@final
class LocalObjects(LocalReader, ObjectStore):
    """A folder of objects. Temporary files lie in `tmp/` beside them."""

    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """Write, sync, rename; under a lock of the folder's where the present version matters."""
        with guarded(self.location, WRITING), _versions(self.root, expected) as hold_still:
            if hold_still and _tag(self.local_path(name)) != expected:
                return None
            place(self.root, self.local_path(name), lambda temporary: temporary.write_bytes(data))
            return _tag(self.local_path(name))

    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """Copy (by reflink where possible), sync, rename."""

        def copy(temporary: Path) -> None:
            copy_file(source, temporary)
            if pieces is not None and digest_pieces(temporary, pieces.size) != pieces:
                raise StoreError(self.location, f"{source} holds other bytes than its name says: it isn't taken")

        with guarded(self.location, WRITING):
            place(self.root, self.local_path(name), copy)

    def receive(self, name: str, fill: Callable[[Path], object]) -> None:
        """Have a temporary file filled, rename. It isn't waited for the disk: what can be received can be received again.

        A loss of power may leave other bytes in its place. Whoever takes the object out checks it, and asks for it anew.
        """
        with guarded(self.location, WRITING):
            place(self.root, self.local_path(name), fill, lasting=False)

    def delete(self, name: str, expected: str = ANY) -> bool:
        """Unlink."""
        with guarded(self.location, WRITING), _versions(self.root, expected) as hold_still:
            if hold_still and _tag(self.local_path(name)) not in {None, expected}:
                return False
            self.local_path(name).unlink(missing_ok=True)
            return True

    def move(self, name: str, target: str) -> None:
        """Rename."""
        with guarded(self.location, WRITING), contextlib.suppress(FileNotFoundError):
            self.local_path(target).parent.mkdir(parents=True, exist_ok=True)
            self.local_path(name).rename(self.local_path(target))

    def touch(self, name: str) -> bool:
        """Set the time of the last access, which nothing else about the object depends on. Only a file's owner may."""
        try:
            state = os.lstat(self.local_path(name))
            os.utime(self.local_path(name), ns=(time.time_ns(), state.st_mtime_ns), follow_symlinks=False)
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
            old = [entry.name for entry in walk(str(self.local_path(TEMPORARY)), f"{TEMPORARY}/") if entry.used < before]
            for name in () if dry_run else old:
                self.local_path(name).unlink(missing_ok=True)
        return len(old)

    def lock(self, name: str) -> Lock:
        """A locked file."""
        return LockedFile(self.location, self.local_path(name))

    def append(self, name: str, line: bytes) -> None:
        """One write to a file that is opened for appending: the system keeps those of several processes apart."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.local_path(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError:
            return
        try:
            os.write(handle, line)
        except OSError:
            pass  # a full disk: the build itself has said so
        finally:
            os.close(handle)


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


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
