"""A memory of file digests, so that weights are read once and not at each plan.

An entry holds for one (path, size, mtime, ctime, inode). ctime can't be set from user space, so an edit that puts size
and mtime back is noticed. An entry taken within two seconds of the file's last change isn't trusted: file systems stamp
coarsely, and a second edit could share the stamp (git's "racy" entries, the same answer).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, final

from neuronbuild.digest import Digest, digest_file, is_hex_digest

if TYPE_CHECKING:
    from pathlib import Path

RACY_NS = 2_000_000_000


@final
class DigestMemory:
    """Digests by file state, kept in one JSON file; `None` keeps them in this process only.

    Writers replace the file whole. Two at once may lose an entry, which costs a read and nothing else.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._entries: dict[str, list[object]] | None = None
        self._dirty = False

    def digest(self, path: Path) -> Digest:
        """Digest of a file, remembered or read.

        Raises:
            OSError: the file can't be read.
        """
        real = os.path.realpath(path)
        state = _state(real)
        entry = self._load().get(real)
        if entry is not None and entry[: len(state)] == state:
            return Digest(str(entry[-2]), int(str(state[0])))
        digest = digest_file(path)
        if _state(real) == state and time.time_ns() - max(state[1], state[2]) > RACY_NS:
            self._load()[real] = [*state, digest.sha256, time.time_ns()]
            self._dirty = True
        return digest

    def save(self) -> None:
        """Write what is new. A folder that can't be written only costs speed, so it is no error."""
        if not self._dirty or self._file is None:
            return
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._load()), encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
        self._dirty = False

    def _load(self) -> dict[str, list[object]]:
        if self._entries is None:
            self._entries = _read(self._file) if self._file else {}
        return self._entries


def _state(path: str) -> list[int]:
    stat = os.stat(path)  # noqa: PTH116 (text in, text out)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _read(file: Path) -> dict[str, list[object]]:
    try:
        loaded = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {path: entry for path, entry in loaded.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    width = 7
    return (
        isinstance(entry, list)
        and len(entry) == width
        and all(isinstance(value, int) for value in (*entry[:5], entry[6]))
        and isinstance(entry[5], str)
        and is_hex_digest(entry[5])
    )
