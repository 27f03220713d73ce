"""Objects in a folder: written to a temporary file, synced, renamed; so a crash leaves no half object."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.errors import DestinationError, StoreError
from neuronbuild.files import read_plain
from neuronbuild.store.link import LinkMode, copy_file, link_file
from neuronbuild.store.objects import Entry, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_ONLY = 0o444
"""Mode of every object: releases may be hard links to it, and an edit there must not be a slip of the hand."""

HINTS = {
    errno.ENOSPC: "free some space and run the same command again; what was finished is kept",
    errno.EROFS: "name a folder that can be written with --cache or NEURONBUILD_CACHE",
    errno.EACCES: "name a folder that you may write with --cache or NEURONBUILD_CACHE",
    errno.ENOTDIR: "--cache must name a folder",
}


@final
class LocalObjects(ObjectStore):
    """A folder of objects. Temporary files lie in `tmp/` beside them, on the same file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.root)

    def path(self, name: str) -> Path:
        """Where an object lies, or would."""
        return self.root / name

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or `None`."""
        with self._guard():
            try:
                return read_plain(self.path(name))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):  # asked first, it could go in between
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write, sync, rename."""
        self._place(name, lambda temporary: temporary.write_bytes(data))

    def add_file(self, name: str, source: Path) -> None:
        """Copy (by reflink where possible), sync, rename."""

        def fill(temporary: Path) -> None:
            temporary.unlink()
            copy_file(source, temporary)

        self._place(name, fill)

    def fetch(self, name: str, destination: Path) -> bool:
        """Copy out."""
        return self.link(name, destination, "copy") is not None

    def link(self, name: str, destination: Path, mode: LinkMode) -> str | None:
        """Put an object at a path as `mode` says, and say how; `None` if there is no such object."""
        with self._guard():
            path = self.path(name)
            if not path.is_file():
                return None
            path.open("rb").close()
            try:
                return link_file(path, destination, mode)
            except OSError as error:
                if error.errno == errno.EIO:  # either disk's
                    raise
                raise DestinationError(self.location, str(destination), error) from None

    def size(self, name: str) -> int | None:
        """Size of the file, or `None`."""
        try:
            found = os.stat(self.path(name))  # noqa: PTH116 (four times Path.stat's speed, called for thousands)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[Entry]:
        """Walk the folder."""
        with self._guard():
            yield from _walk(os.path.join(self.root, prefix), prefix)  # noqa: PTH118 (text all the way down: thousands of entries)

    def delete(self, name: str) -> None:
        """Unlink."""
        with self._guard():
            self.path(name).unlink(missing_ok=True)

    def move(self, name: str, target: str) -> None:
        """Rename."""
        with self._guard(), contextlib.suppress(FileNotFoundError):
            self.path(target).parent.mkdir(parents=True, exist_ok=True)
            self.path(name).rename(self.path(target))

    def _place(self, name: str, fill: Callable[[Path], object]) -> None:
        with self._guard():
            folder = self.root / "tmp"
            folder.mkdir(parents=True, exist_ok=True)
            handle, text = tempfile.mkstemp(dir=folder)
            os.close(handle)
            temporary = Path(text)
            try:
                fill(temporary)
                temporary.chmod(READ_ONLY)
                sync(temporary)
                target = self.path(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                _rename(temporary, target, self.root / "quarantine")
                sync(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            name = error.filename2 or error.filename  # of a rename, where to
            what = f"{name}: {error.strerror}" if name else str(error)
            raise StoreError(self.location, what, hint=HINTS.get(error.errno or 0)) from None


def _rename(temporary: Path, target: Path, aside: Path) -> None:
    """Rename. A folder in the object's place is put aside: it is nobody's object, and the work is done by now."""
    try:
        temporary.replace(target)
    except IsADirectoryError:
        aside.mkdir(exist_ok=True)
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
                found = entry.stat(follow_symlinks=False)
                yield Entry(prefix + entry.name, found.st_size, f"{found.st_mtime_ns}.{found.st_ino}")


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
