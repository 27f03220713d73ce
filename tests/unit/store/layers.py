"""Stores in layers, made of memories: near ones, far ones, and places that fail on demand."""

from __future__ import annotations

from collections.abc import Callable

from neuronbuild.errors import StoreError, StoreOutageError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.location import open_store
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.remote_store import RemoteStore
from neuronbuild.store.sharing import SharingPolicy


def far_memory(**more) -> CasStore:
    """A far store in memory, told from the near one by its location."""
    objects = MemoryObjects()
    objects.location = "memory:far"
    return CasStore(objects, **more)


def layered(
    near: CasStore, *fars: CasStore, read_only: bool = False, share: tuple[str, ...] = (), ttl: float = 1.0
) -> LayeredStore:
    """A near store over far ones."""
    return LayeredStore(near, [RemoteStore(far, read_only=read_only) for far in fars], SharingPolicy(share), ttl)


def near_memory() -> CasStore:
    """A near store in memory."""
    return open_store("memory:")


def break_down(store: CasStore, error: Callable[[], StoreError] | None = None) -> None:
    """From now on whatever is asked of a store's place fails."""
    make = error or (lambda: StoreOutageError(store.location, StoreError(store.location, "it can't be reached")))

    def fail(*_, **__):
        raise make()

    for name in ("look", "write", "add_file", "receive", "read_to", "stat", "list", "delete", "move", "digest"):
        setattr(store.objects, name, fail)
