"""A JSON file that remembers what can be found out again: a convenience, and never the truth.

Writers replace the file whole. Two at once may lose an entry, which costs work and nothing else; so does a file that is
damaged, lost, or can't be written.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.files import read_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


RACY_NS = 2_000_000_000
"""How coarsely file systems may stamp times: within this of a change, a second one could share its stamp (git's "racy"
entries, the same answer)."""


def user_cache() -> Path:
    """This user's folder for what can be made again (XDG base directory specification)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "neuronbuild"


def is_racy(changed: int, seen: int | None = None) -> bool:
    """Whether a file whose last change is so stamped was looked at too soon after it to be remembered by its stamps.

    Both times are in nanoseconds; `seen` is now unless given.
    """
    return (time.time_ns() if seen is None else seen) - changed <= RACY_NS


@final
class Memo:
    """Entries (lists of JSON values) by name; without a file they last as long as the process.

    `is_sound` says whether an entry that was read is one of the owner's: others are forgotten.
    """

    def __init__(self, file: Path | None, is_sound: Callable[[object], bool]) -> None:
        self._file = file
        self._is_sound = is_sound
        self._entries: dict[str, list[object]] | None = None
        self._changed = False

    def get(self, name: str) -> list[object] | None:
        """An entry, or `None`."""
        return self._load().get(name)

    def values(self) -> Iterable[list[object]]:
        """All entries."""
        return list(self._load().values())

    def names(self) -> set[str]:
        """The names of all entries."""
        return set(self._load())

    def put(self, name: str, entry: list[object]) -> None:
        """Remember."""
        self._load()[name] = entry
        self._changed = True

    def drop(self, name: str) -> None:
        """Forget."""
        if self._load().pop(name, None) is not None:
            self._changed = True

    def save(self) -> None:
        """Write what is new, if it can be written."""
        if not self._changed or self._file is None:
            return
        temporary = self._file.with_name(f".{self._file.name}.{uuid.uuid4().hex}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("x", encoding="utf-8") as file:  # a link in its place is not written through
                file.write(json.dumps(self._load(), separators=(",", ":")))
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
        self._changed = False

    def _load(self) -> dict[str, list[object]]:
        if self._entries is None:
            try:
                loaded = json.loads(read_plain(self._file)) if self._file else {}
            except (OSError, ValueError, RecursionError):
                loaded = {}
            entries = loaded.items() if isinstance(loaded, dict) else ()
            self._entries = {name: entry for name, entry in entries if self._is_sound(entry)}
        return self._entries
