"""What each manifest names, remembered on this machine, so that knowing thousands of actions reads no manifest.

A convenience and never the truth: entries hold for one writing of a manifest, and a lost or damaged file is made again.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, final

from neuronbuild.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.digest import ActionKey

Files = list[tuple[str, Digest]]


@final
class ManifestIndex:
    """Files by action key, in one JSON file; `None` keeps them in this process only."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._entries: dict[str, list[object]] | None = None
        self._dirty = False

    def get(self, key: ActionKey, stamp: str) -> Files | None:
        """The files that an action's manifest names, if it is still the manifest that was remembered."""
        entry = self._load().get(key)
        if entry is None or entry[0] != stamp:
            return None
        return [(path, Digest(sha256, size)) for path, sha256, size in entry[1]]  # type: ignore[attr-defined]  # JSON of ours

    def put(self, key: ActionKey, stamp: str, files: Files) -> None:
        """Remember."""
        self._load()[key] = [stamp, [[path, digest.sha256, digest.size] for path, digest in files]]
        self._dirty = True

    def drop(self, key: ActionKey) -> None:
        """Forget an action whose manifest turned out to be damaged under an unchanged stamp."""
        if self._load().pop(key, None) is not None:
            self._dirty = True

    def save(self) -> None:
        """Write what is new. A folder that can't be written only costs speed."""
        if not self._dirty or self._file is None:
            return
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self._load(), separators=(",", ":")), encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
        self._dirty = False

    def _load(self) -> dict[str, list[object]]:
        if self._entries is None:
            self._entries = _read(self._file) if self._file else {}
        return self._entries


def _read(file: Path) -> dict[str, list[object]]:
    try:
        loaded = json.loads(file.read_bytes())
        return {key: [stamp, [[p, Digest(s, n).sha256, n] for p, s, n in files]] for key, (stamp, files) in loaded.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
