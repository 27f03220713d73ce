"""Single artifacts of a store, by the beginnings of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.artifact.manifest import Manifest
from neuronbuild.errors import NEWER, NewerRecordError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.base import ArtifactReader

SHOWN = 5
"""Keys that are listed where several begin in the same way."""


def find_keys(store: ArtifactReader, beginnings: Iterable[str]) -> list[ActionKey]:
    """The one key that begins in each of those ways; keys that are named twice are given once.

    Raises:
        UsageError: no key begins so, or several do.
    """
    keys = store.recorded_keys()
    return list(dict.fromkeys(_find(keys, beginning.lower()) for beginning in beginnings))


def read_artifact(store: ArtifactReader, key: ActionKey) -> Manifest:
    """An artifact's manifest. To look at an artifact is no use of it: `cache prune` goes by those.

    Raises:
        NewerRecordError: a newer version recorded it.
        StoreError: it can't be read.
    """
    found = store.inspect(key)
    if isinstance(found, Manifest):
        return found
    if found == NEWER:
        raise NewerRecordError(store.location, key)
    raise StoreError(store.location, f"the manifest of {key} can't be read", hint="run `neuronbuild cache verify`")


def _find(keys: list[ActionKey], beginning: str) -> ActionKey:
    found = [key for key in keys if key.startswith(beginning)]
    if len(found) == 1 and beginning:
        return found[0]
    if not found:
        raise UsageError(f"no artifact's key begins with {beginning}", hint="`neuronbuild cache ls` lists them")
    listed = ", ".join(key[:12] for key in found[:SHOWN])
    more = ", ..." if len(found) > SHOWN else ""
    raise UsageError(f"{len(found)} artifacts' keys begin with {beginning}: {listed}{more}", hint="give more of the key")
