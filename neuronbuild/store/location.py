"""From the text that names a store to the store, and from several to one in layers."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.errors import StoreError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.lease import TTL
from neuronbuild.store.objects.guard import MAY_READ
from neuronbuild.store.objects.local import LocalObjects
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.objects.s3.location import shown_location
from neuronbuild.store.remote_store import RemoteStore
from neuronbuild.store.sharing import SharingPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuronbuild.store.base import BuildStore
    from neuronbuild.store.objects.base import ObjectStore
    from neuronbuild.store.trust import Trust

MEMORY = "memory:"
INDEX = "index.json"
HINT = "name a folder, or s3://bucket/prefix, with --cache or NEURONBUILD_CACHE"
SCHEMES = {
    "s3://": ("neuronbuild.store.objects.s3.opening", "s3"),
}
"""Kinds of remote stores: the module whose `open_objects` opens a location, and the extra with its libraries, by what locations
begin with."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A far store: where it is, and whether it is only read."""

    location: str
    read_only: bool = False

    def __repr__(self) -> str:
        """Both, without passwords."""
        return f"Remote({shown_location(self.location)!r}, read_only={self.read_only})"


def open_store(location: str, trust: Trust | None = None, ttl: float = TTL, *, shared: bool = False) -> CasStore:
    """A store for a folder's path, for `s3://bucket/prefix`, or one in memory for `memory:`. `ttl` is of leases, in seconds.

    `shared` says that others use it too: what they signed is never replaced there.

    Raises:
        StoreError: the location can't be a store.
    """
    objects = open_objects(location)
    return CasStore(objects, ManifestIndex(objects.local_path(INDEX)), trust=trust, ttl=ttl, shared=shared)


def open_layers(
    cache: str,
    remotes: Sequence[Remote],
    *,
    trust: Trust | None = None,
    sharing: SharingPolicy | None = None,
    ttl: float = TTL,
    strict: bool = False,
) -> BuildStore:
    """The near store; if there are far ones, in layers with them. `sharing` says what may go there.

    `strict`: a far store that refuses to be read is an error when it is asked for something.

    Raises:
        StoreError: a location can't be a store.
    """
    near = open_store(cache, trust, ttl)
    if not remotes:
        return near
    fars = [
        RemoteStore(open_store(remote.location, trust, ttl, shared=True), read_only=remote.read_only, strict=strict)
        for remote in remotes
    ]
    known = sharing or SharingPolicy()
    known.hear(near)
    return LayeredStore(near, fars, known, ttl)


def open_objects(location: str) -> ObjectStore:
    """The place that a location names.

    Raises:
        StoreError: there can't be one.
    """
    if location == MEMORY:
        return MemoryObjects()
    scheme = next(filter(location.startswith, SCHEMES), None)
    if scheme is not None:
        return _open_remote(location, scheme)
    if "://" in location:
        raise StoreError(shown_location(location), "this isn't a kind of store", hint=HINT)
    if not location.strip():
        raise StoreError(repr(location), "an empty text names no store", hint=HINT)
    try:
        root = Path(location).expanduser()
        is_folder = root.is_dir() or not root.exists()
    except PermissionError as error:
        raise StoreError(location, f"{error.filename}: {error.strerror}", hint=MAY_READ) from None
    except (OSError, RuntimeError) as error:  # a name too long, an unknown user's home
        raise StoreError(location, str(error), hint=HINT) from None
    if not is_folder:
        raise StoreError(location, "it is a file, and not a folder", hint=HINT)
    return LocalObjects(root)


def is_remote(location: str) -> bool:
    """Whether a location names a server, and no folder of this machine."""
    return any(location.startswith(scheme) for scheme in SCHEMES)


def _open_remote(location: str, scheme: str) -> ObjectStore:
    module, extra = SCHEMES[scheme]
    try:
        objects: ObjectStore = importlib.import_module(module).open_objects(location)  # its library may be an extra, and large
    except ModuleNotFoundError as error:
        problem = f"stores at {scheme} need {error.name}, which isn't installed"
        raise StoreError(shown_location(location), problem, hint=f"pip install 'neuronbuild[{extra}]'") from None
    return objects
