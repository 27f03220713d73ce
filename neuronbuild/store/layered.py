"""A store in layers: a near one that fills itself from far ones, and passes on what is new.

The near store alone decides what is whole, and everything that leaves comes from it, checked. A damaged blob near is put
aside there and fetched again. What far stores do wrong is told once, and costs no build.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, final

from neuronbuild.store.base import BuildStore
from neuronbuild.store.cas_reader import recorded
from neuronbuild.store.concurrent import do_each
from neuronbuild.store.layered_reader import LayeredReader
from neuronbuild.store.lease import TTL, Lease, take_lease
from neuronbuild.store.sharing import kept_here
from neuronbuild.store.transfer import copy_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from neuronbuild.artifact.manifest import FileEntry, Manifest
    from neuronbuild.artifact.snapshot import Snapshot
    from neuronbuild.digest import ActionKey, Digest
    from neuronbuild.store.cas import CasStore
    from neuronbuild.store.remote_store import RemoteStore
    from neuronbuild.store.sharing import SharingPolicy

AT_A_TIME = 8
"""Artifacts that are fetched at a time."""


@final
class LayeredStore(LayeredReader, BuildStore):
    """A near store over far ones, asked in their order."""

    def __init__(self, near: CasStore, fars: Sequence[RemoteStore], sharing: SharingPolicy, ttl: float = TTL) -> None:
        super().__init__(near, fars)
        self._writable = tuple(far for far in self.fars if not far.read_only)
        self._outbox = _Outbox(near, sharing)
        self._ttl = ttl

    def record(self, manifest: Manifest) -> Manifest:
        """Near; then far in the background, if it may be shared."""
        kept = self.near.record(manifest)
        for far in self._writable:
            self._outbox.send(far, kept)
        return kept

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Near; then far, which takes one small request."""
        self._outbox.sharing.learn(snapshot)
        self.near.record_snapshot(snapshot)
        for far in self._writable:
            far.ask(lambda store: store.record_snapshot(snapshot), None, writes=True)

    def add(self, name: str, path: Path) -> FileEntry:
        """Near: what an artifact consists of follows when it is recorded."""
        return self.near.add(name, path)

    def add_bytes(self, data: bytes) -> Digest:
        """Near."""
        return self.near.add_bytes(data)

    @contextlib.contextmanager
    def acquire_lease(self, key: ActionKey, waiting: Callable[[str], bool]) -> Iterator[Lease | None]:
        """Near, which keeps this machine's other processes out; then in the first far store that can be written."""
        with self.near.acquire_lease(key, waiting) as near:
            manifest = None if near is None else self.lookup(key)
            if near is None or not self._writable or (manifest is not None and self.missing(manifest) is None):
                yield near
                return
            far = self._writable[0]
            patient = _LastAnswer(waiting)
            lease = far.ask(
                lambda store: take_lease(store.objects, key, patient, done=_always, ttl=self._ttl), None, writes=True
            )
            far.unusable.pop(key, None)  # while we waited, another builder may have replaced it
            if patient.is_over:
                yield None
                return
            both = self._outbox.held[key] = _LeasePair(near, lease, far)
            try:
                yield both
            finally:
                del self._outbox.held[key]
                if not far.is_uploading(key):
                    both.release()

    def prefetch(self, keys: Collection[ActionKey]) -> set[ActionKey]:
        """Fetch what isn't whole near, several at a time; pass on what is, where an outage or a kill kept it from going far."""
        known = self.near.known(keys)
        whole = {key for key in keys if known.get(key, "") is None}
        missing = list({*keys} - whole | self.near.prefetch(whole))

        def fill(key: ActionKey) -> bool:
            return any(far.pull(self.near, key) for far in self.fars)

        filled = do_each(fill, missing, at_a_time=AT_A_TIME, name="fetch")
        for far in self._writable:
            there = far.ask(lambda store: recorded(store, keys), set(keys), writes=True)  # so as to send what isn't
            for key in set(keys).difference(missing, there):
                manifest = self.near.lookup(key)
                if manifest is not None:
                    self._outbox.send(far, manifest)
        return {key for key, came in zip(missing, filled, strict=True) if not came}

    def close(self, *, abandon: bool = False) -> list[str]:
        """Wait for uploads; to `abandon` them, only for those that have begun."""
        for far in self.fars if abandon else ():
            far.call_off()
        lines = [line for far in self.fars for line in far.finish()]
        return self._outbox.take_notes() + lines


@final
class _Outbox:
    """What goes from a near store to far ones, if it may be shared; and the leases that are held until it is there."""

    def __init__(self, near: CasStore, sharing: SharingPolicy) -> None:
        self.sharing = sharing
        self.held: dict[ActionKey, _LeasePair] = {}
        self._near = near
        self._notes: set[str] = set()

    def send(self, far: RemoteStore, manifest: Manifest) -> None:
        """Have an artifact sent in the background; its far lease, if there is one, is let go then."""
        objection = self.sharing.objection(manifest) or kept_here(self._near, manifest.key)
        if objection is not None:
            self._notes.add(objection)
            return
        held = self.held.get(manifest.key)
        ours = held if held is not None and held.far is far else None
        may_publish, then = (ours.renew, ours.release) if ours is not None else (_always, _nothing)
        far.upload(manifest.key, lambda store: copy_artifact(self._near, store, manifest.key, may_publish), then)

    def take_notes(self) -> list[str]:
        """Why things were kept here, once."""
        notes, self._notes = sorted(self._notes), set()
        return notes


@final
class _LastAnswer:
    """The answers of who waits, with the last one kept."""

    def __init__(self, waiting: Callable[[str], bool]) -> None:
        self._waiting = waiting
        self.is_over = False

    def __call__(self, holder: str) -> bool:
        self.is_over = not self._waiting(holder)
        return not self.is_over


def _always() -> bool:
    return True


def _nothing() -> None:
    """What follows an upload that no lease waits for."""


@final
class _LeasePair:
    """A near lease and, if one could be had, a far one that outlasts it until the artifact is over there."""

    def __init__(self, near: Lease, lease: Lease | None, far: RemoteStore) -> None:
        self.far = far
        self._near = near
        self._lease = lease
        self._lock = threading.Lock()

    def renew(self) -> bool:
        """Whether both are still ours. A far store that can't be asked can't have given it to another."""
        if self._lease is None:
            return self._near.renew()
        lease = self._lease
        return self.far.ask(lambda _: lease.renew(), otherwise=True, writes=True)

    def release(self) -> None:
        """Let the far one go: the artifact is over there, or won't be. The near one goes with its context."""
        with self._lock:
            lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
