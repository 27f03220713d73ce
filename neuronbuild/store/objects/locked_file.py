"""A lock that is a file: the kernel lets go of it when the process that holds it ends."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, final

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.guard import WRITING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import FileLock

NO_LEASE = "name a folder that can be written with --cache"


@final
class LockedFile:
    """A file that one process, and in it one holder, has locked at a time."""

    def __init__(self, location: str, path: Path) -> None:
        self._location = location
        self._path = path
        self._lock: FileLock | None = None

    def acquire(self, seconds: float) -> bool:
        """Lock it, within so many seconds.

        Raises:
            StoreError: it can't be made or opened.
        """
        from filelock import FileLock, Timeout  # a plan locks nothing, and this takes as long as planning a hundred targets

        with self._explained():
            if self._lock is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = FileLock(self._path, thread_local=False)
            try:
                self._lock.acquire(timeout=seconds)
            except Timeout:
                return False
        return True

    def release(self, *, remove: bool) -> None:
        """Unlock it. It is removed while it is locked: who waits for it locks a file that has no name any more."""
        try:
            with contextlib.suppress(OSError):
                if remove:
                    self._path.unlink(missing_ok=True)
        finally:
            if self._lock is not None:
                self._lock.release()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"no lease can be taken: {error.strerror} ({self._path})"
            raise StoreError(self._location, problem, hint=WRITING.get(error.errno or 0, NO_LEASE)) from None
