"""Single artifacts of a store, by the beginnings of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.errors import UsageError
from neuronbuild.store.cas import recorded_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.digest import ActionKey
    from neuronbuild.store.cas import CasStore

SHOWN = 5
"""Keys that are listed where several begin in the same way."""


def find_keys(store: CasStore, beginnings: Iterable[str]) -> list[ActionKey]:
    """The one key that begins in each of those ways; keys that are named twice are given once.

    Raises:
        UsageError: no key begins so, or several do.
    """
    keys = recorded_keys(store)
    return list(dict.fromkeys(_find(keys, beginning.lower()) for beginning in beginnings))


def _find(keys: list[ActionKey], beginning: str) -> ActionKey:
    found = [key for key in keys if key.startswith(beginning)]
    if len(found) == 1 and beginning:
        return found[0]
    if not found:
        raise UsageError(f"no artifact's key begins with {beginning}", hint="`neuronbuild cache ls` lists them")
    listed = ", ".join(key[:12] for key in found[:SHOWN])
    more = ", ..." if len(found) > SHOWN else ""
    raise UsageError(f"{len(found)} artifacts' keys begin with {beginning}: {listed}{more}", hint="give more of the key")
