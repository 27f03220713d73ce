"""From the text that names a store to the store."""

from __future__ import annotations

from pathlib import Path

from neuronbuild.errors import StoreError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.index import ManifestIndex
from neuronbuild.store.local import LocalObjects
from neuronbuild.store.memory import MemoryObjects

MEMORY = "memory:"
INDEX = "index.json"
HINT = "name a folder with --cache or NEURONBUILD_CACHE"


def open_store(location: str) -> CasStore:
    """A store for a folder's path, or one in memory for `memory:`.

    Raises:
        StoreError: the location can't be a store.
    """
    if location == MEMORY:
        return CasStore(MemoryObjects())
    if "://" in location:
        raise StoreError(location, "only folders can be stores in this version", hint="name a folder")
    if not location.strip():
        raise StoreError(repr(location), "an empty text names no store", hint=HINT)
    try:
        root = Path(location).expanduser()
        is_folder = root.is_dir() or not root.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a folder that may not be entered, an unknown user's home
        raise StoreError(location, str(error), hint=HINT) from None
    if not is_folder:
        raise StoreError(location, "it is a file, and not a folder", hint=HINT)
    return CasStore(LocalObjects(root), ManifestIndex(root / INDEX))
