"""The right to build one action: one holder at a time, over all processes of this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from neuronbuild.errors import StoreError
from neuronbuild.store.local import LocalObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.cas import CasStore

LEASES = "v1/leases"
PATIENCE = 0.5
"""Seconds between two looks at whether to go on waiting."""


@contextlib.contextmanager
def hold_lease(store: CasStore, key: ActionKey, waiting: Callable[[], bool]) -> Iterator[bool]:
    """Hold an action's lease within the context; false if waiting was given up.

    `waiting` is called again and again while another holder builds; it returns false to give up. A holder that dies loses
    its lease at once: the kernel lets go of its lock. A place that isn't a folder is this process's own and needs no lease.
    """
    if not isinstance(store.objects, LocalObjects):
        yield True
        return
    path = store.objects.root / LEASES / f"{key}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        held = _acquire(lock, waiting)
    except OSError as error:
        raise StoreError(
            store.location, f"no lease can be taken: {error.strerror}", hint="name a folder that can be written with --cache"
        ) from None
    try:
        yield held
    finally:
        if held:
            _let_go(lock, path, store, key)


def _acquire(lock: FileLock, waiting: Callable[[], bool]) -> bool:
    while True:
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            if not waiting():
                return False
        else:
            return True


def _let_go(lock: FileLock, path: Path, store: CasStore, key: ActionKey) -> None:
    try:
        # Whoever waits on this file looks the artifact up next and finds it; if there is none, the file stays.
        with contextlib.suppress(OSError, StoreError):
            if store.lookup(key) is not None:
                path.unlink(missing_ok=True)
    finally:
        lock.release()
