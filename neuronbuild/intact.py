"""Which release folders hold the very bytes that their indexes list, remembered by the state of their files.

A state covers size, mtime, ctime and inode of every file, so an edit that keeps sizes is noticed without reading a byte; so
is one made through a hard link. A memory for speed and never the truth: a folder whose state isn't known is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.digest import Digest, digest_file, is_hex_digest
from neuronbuild.memo import Memo, is_racy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PACKED = struct.Struct("3qQ").pack
"""One file's part of a state. Packing costs a fifth of what text would, and a release may have ten thousand files."""

MEMORY = "releases.json"
"""Name of the file, in the user's cache folder, that remembers which releases were found whole."""

NOT_READ = frozenset({".git", ".cache", ".gitattributes", ".gitignore"})
"""What git and the Hub's client leave at the top of a release, which nothing loads."""

Listed = tuple[str, str, int]
"""A file as an index lists it: path, SHA-256, size in bytes."""


@final
class IntactReleases:
    """States by the real path of a release folder, in one JSON file; `None` keeps them in this process only."""

    def __init__(self, file: Path | None) -> None:
        self._memo = Memo(file, _is_entry)
        self._checked: set[str] = set()

    def first_altered(self, folder: Path, files: Sequence[Listed], is_sound: Callable[[], bool] = lambda: True) -> str | None:
        """A file that isn't what the index lists, or `None`, by what is remembered or by reading everything.

        `is_sound` says whether the index itself is; it is asked only where nothing is remembered. A state that was checked
        within two seconds of a file's change is good for this process and no other.

        Raises:
            OSError: a file is missing or can't be read.
            ValueError, TypeError: what is listed is no digest.
        """
        now, name = time.time_ns(), os.path.realpath(folder)
        paths = [f"{folder}/{FILENAME}", *[f"{folder}/{path}" for path, _, _ in files]]
        state = _state(paths)
        if state in self._checked or self._memo.get(name) == [state]:
            return None
        altered = None if is_sound() else FILENAME
        altered = altered or next(
            (file[0] for path, file in zip(paths[1:], files, strict=True) if not _matches(path, file)), None
        )
        if altered is not None or _state(paths) != state:
            return altered or FILENAME
        self._checked.add(state)
        if not is_racy(max(map(_changed, paths)), now):
            self._memo.put(name, [state])
            self._memo.save()
        return None


def _state(paths: Iterable[str]) -> str:
    """One digest over the states of all files."""
    packed = bytearray()
    for path in paths:
        found = os.stat(path)  # noqa: PTH116 (a fifth of Path's time)
        packed += PACKED(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return hashlib.sha256(packed).hexdigest()


def _matches(path: str, file: Listed) -> bool:
    """Whether a file's bytes are those listed. One that is no plain file, or of another size, isn't opened."""
    found = os.stat(path)  # noqa: PTH116
    listed = Digest(file[1], file[2])
    return stat.S_ISREG(found.st_mode) and found.st_size == listed.size and digest_file(Path(path)) == listed


def _changed(path: str) -> int:
    found = os.stat(path)  # noqa: PTH116
    return max(found.st_mtime_ns, found.st_ctime_ns)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], str) and is_hex_digest(entry[0])
