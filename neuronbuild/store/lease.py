"""The right to build one action: one holder at a time, over all processes that share a place.

In a folder a lease is a lock of the kernel's, which lets go of it when its holder dies. Elsewhere it is an object that its
holder writes again and again; one that falls silent loses it. No two machines' clocks are compared: how old a lease is, the
place says by its own clock, or the waiter by watching it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from neuronbuild.errors import StoreError
from neuronbuild.files import parse_json
from neuronbuild.store.names import lease_name, lock_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.objects.base import Lock, ObjectStore, Version

PATIENCE = 0.5
"""Seconds between two looks at whether to go on waiting."""

TTL = 60.0
"""Seconds of silence after which a lease is anybody's. Its holder speaks three times as often."""

LONGEST_TTL = 3600.0
MARGIN = 2.0
"""Seconds by which a place's dates may be coarse."""

ANOTHER_PROCESS = "another process of this machine"


class Lease(Protocol):
    """A right that is held, and may be lost: by a holder that was suspended, or cut off, for too long."""

    def renew(self) -> bool:
        """Make sure of it now; false if another has it."""

    def release(self) -> None:
        """Let it go."""


@final
class FileLease:
    """A lock of the operating system's: its holder loses it only by ending."""

    def __init__(self, lock: Lock, done: Callable[[], bool]) -> None:
        self._lock = lock
        self._done = done

    def renew(self) -> bool:
        """It can't be lost."""
        return True

    def release(self) -> None:
        """Unlock. The file goes once the artifact is there: whoever waits on it looks that up next, and finds it."""
        is_done = False
        try:
            with contextlib.suppress(StoreError):
                is_done = self._done()
        finally:
            self._lock.release(remove=is_done)


@final
class ObjectLease:
    """A lease that is an object, renewed by a thread. Whoever takes it over changes its tag, and every later write fails."""

    def __init__(self, objects: ObjectStore, key: ActionKey, tag: str, said: dict[str, object], ttl: float) -> None:
        self._objects = objects
        self._name = lease_name(key)
        self._tag: str | None = tag
        self._said = said
        self._ttl = ttl
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"lease-{key[:8]}")
        self._thread.start()

    def renew(self) -> bool:
        """Write it again, under the condition that it is still ours."""
        with self._lock:
            if self._tag is not None:
                self._said["beat"] = uuid.uuid4().hex
                self._tag = self._objects.write(self._name, _encode(self._said), self._tag)
            return self._tag is not None

    def release(self) -> None:
        """Remove it, if it is still ours. A place that can't be reached forgets it by itself."""
        self._end.set()
        self._thread.join()
        with self._lock, contextlib.suppress(StoreError):
            if self._tag is not None:
                self._objects.delete(self._name, self._tag)

    def _beat(self) -> None:
        while not self._end.wait(self._ttl / 3):
            with contextlib.suppress(StoreError):
                if not self.renew():
                    return


@contextlib.contextmanager
def hold_lease(
    objects: ObjectStore,
    key: ActionKey,
    waiting: Callable[[str], bool],
    *,
    done: Callable[[], bool],
    ttl: float = TTL,
) -> Iterator[Lease | None]:
    """Hold an action's lease in one place within the context; `None` if waiting was given up.

    `done` says whether the action's artifact is recorded.
    """
    lease = take_lease(objects, key, waiting, done=done, ttl=ttl)
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()


def take_lease(
    objects: ObjectStore, key: ActionKey, waiting: Callable[[str], bool], *, done: Callable[[], bool], ttl: float
) -> Lease | None:
    """Wait for an action's lease and take it; whoever gets it releases it.

    Raises:
        StoreError: none can be taken in this place.
    """
    lock = objects.lock(lock_name(key))
    return _write(objects, key, waiting, ttl) if lock is None else _acquire(lock, waiting, done)


def _acquire(lock: Lock, waiting: Callable[[str], bool], done: Callable[[], bool]) -> FileLease | None:
    while not lock.acquire(PATIENCE):
        if not waiting(ANOTHER_PROCESS):
            return None
    return FileLease(lock, done)


def _write(objects: ObjectStore, key: ActionKey, waiting: Callable[[str], bool], ttl: float) -> ObjectLease | None:
    name = lease_name(key)
    said = {"format": 1, "holder": uuid.uuid4().hex, "ttl": ttl, "fence": 1, **_this_process()}
    seen, since = "", 0.0
    while True:
        tag = objects.write(name, _encode(said), None)
        present = None if tag else objects.look(name)
        if present is not None:
            if present.tag != seen:
                seen, since = present.tag, time.monotonic()
            theirs = _decode(present)
            if _is_over(theirs, present, time.monotonic() - since, ttl):
                fence = theirs.get("fence")
                said["fence"] = fence + 1 if isinstance(fence, int) else 1
                tag = objects.write(name, _encode(said), present.tag)
        if tag:
            return ObjectLease(objects, key, tag, said, ttl)
        if present is not None:
            if not waiting(_holder(present)):
                return None
            time.sleep(min(PATIENCE, ttl / 10) * random.uniform(1, 2))  # noqa: S311 (jitter)


def _is_over(theirs: dict[str, object], present: Version, watched: float, ttl: float) -> bool:
    """Whether a lease may be taken over: it fell silent, or its holder was a process of this machine that is gone."""
    stated = theirs.get("ttl")
    longest = min(float(stated), LONGEST_TTL) if isinstance(stated, int | float) and stated > 0 else ttl
    if watched > longest or present.age > longest + MARGIN:
        return True
    mine = _this_process()
    if theirs.get("machine") != mine["machine"] or not isinstance(theirs.get("process"), int):
        return False
    return _started(int(str(theirs["process"]))) != theirs.get("started")


def _this_process() -> dict[str, object]:
    return {"host": socket.gethostname(), "machine": _machine(), "process": os.getpid(), "started": _started(os.getpid())}


def _machine() -> str:
    """What processes have in common that see each other's numbers: this boot of this kernel, and the container."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return uuid.uuid4().hex


def _started(process: int) -> str:
    """When a process started, in the kernel's ticks; empty if none of that number runs."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, started = fields[0], fields[19]
    return "" if state in {"Z", "X"} else started


def _holder(present: Version) -> str:
    theirs = _decode(present)
    return f"process {theirs.get('process')} on {str(theirs.get('host'))[:80]}"


def _encode(said: dict[str, object]) -> bytes:
    return json.dumps(said, sort_keys=True).encode()


def _decode(present: Version) -> dict[str, object]:
    """What a lease says. One that says nothing is as good as any other, until it falls silent."""
    try:
        loaded = parse_json(present.data)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
