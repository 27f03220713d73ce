"""Which releases hold the very bytes that their indexes list, remembered by the state of their files.

A state covers size, mtime, ctime and inode of every file, so an edit that keeps sizes is noticed without reading a byte; so
is one made through a hard link. A memory for speed and never the truth: a release whose state isn't known is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from neuronbuild.artifact.codec import unseal
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.digest import Digest, digest_file, is_hex_digest
from neuronbuild.files import check_names
from neuronbuild.memo import Memo, is_racy

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKED = struct.Struct("3qQ").pack
"""One file's part of a state. Packing costs a fifth of what text would, and a release may have ten thousand files."""


@final
class VerifiedReleases:
    """States by the real path of a release folder, in one JSON file; `None` keeps them in this process only."""

    def __init__(self, file: Path | None) -> None:
        self._memo = Memo(file, _is_entry)
        self._checked: set[str] = set()

    def holds(self, folder: Path, index: dict[str, Any]) -> bool:
        """Whether a folder holds what its index lists, by what is remembered or by reading everything.

        A state that was checked within two seconds of a file's change is good for this process and no other.

        Raises:
            OSError: a file is missing or can't be read.
            ValueError, KeyError, TypeError: that is no index.
        """
        now, name = time.time_ns(), os.path.realpath(folder)
        names = [file["path"] for file in index["files"]]
        check_names(names)
        paths = [f"{folder}/{FILENAME}", *[f"{folder}/{name}" for name in names]]
        state = _state(paths)
        if state in self._checked or self._memo.get(name) == [state]:
            return True
        if not unseal(index) or not all(map(_matches, paths[1:], index["files"])) or _state(paths) != state:
            return False
        self._checked.add(state)
        if not is_racy(max(map(_changed, paths)), now):
            self._memo.put(name, [state])
            self._memo.save()
        return True


def _state(paths: Iterable[str]) -> str:
    """One digest over the states of all files."""
    packed = bytearray()
    for path in paths:
        found = os.stat(path)  # noqa: PTH116 (a fifth of Path's time)
        packed += PACKED(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return hashlib.sha256(packed).hexdigest()


def _matches(path: str, file: dict[str, Any]) -> bool:
    """Whether a file's bytes are those listed. One that is no plain file, or of another size, isn't opened."""
    found = os.stat(path)  # noqa: PTH116
    listed = Digest(file["sha256"], file["size"])
    return stat.S_ISREG(found.st_mode) and found.st_size == listed.size and digest_file(Path(path)) == listed


def _changed(path: str) -> int:
    found = os.stat(path)  # noqa: PTH116
    return max(found.st_mtime_ns, found.st_ctime_ns)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], str) and is_hex_digest(entry[0])
