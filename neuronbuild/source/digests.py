"""A memory of file digests, so that weights are read once and not at each plan.

An entry holds for one (path, size, mtime, ctime, inode). ctime can't be set from user space, so an edit that puts size
and mtime back is noticed. A file that was changed just now isn't remembered.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, final

from neuronbuild.digest import Digest, digest_file, is_hex_digest
from neuronbuild.memo import Memo, is_racy

if TYPE_CHECKING:
    from pathlib import Path


@final
class DigestMemory:
    """Digests by file state, kept in one JSON file; `None` keeps them in this process only.

    Writers replace the file whole. Two at once may lose an entry, which costs a read and nothing else.
    """

    def __init__(self, file: Path | None) -> None:
        self._memo = Memo(file, _is_entry)

    def digest(self, path: Path) -> Digest:
        """Digest of a file, remembered or read.

        Raises:
            OSError: the file can't be read.
        """
        real = os.path.realpath(path)
        state = _state(real)
        entry = self._memo.get(real)
        if entry is not None and entry[: len(state)] == state:
            return Digest(str(entry[-2]), int(str(state[0])))
        digest = digest_file(path)
        if _state(real) == state and not is_racy(max(state[1], state[2])):
            self._memo.put(real, [*state, digest.sha256, time.time_ns()])
        return digest

    def save(self) -> None:
        """Write what is new. A folder that can't be written only costs speed, so it is no error."""
        self._memo.save()


def _state(path: str) -> list[int]:
    stat = os.stat(path)  # noqa: PTH116 (text in, text out)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _is_entry(entry: object) -> bool:
    width = 7
    return (
        isinstance(entry, list)
        and len(entry) == width
        and all(isinstance(value, int) for value in (*entry[:5], entry[6]))
        and isinstance(entry[5], str)
        and is_hex_digest(entry[5])
    )
