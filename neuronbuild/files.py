"""Names and files that somebody else chose: one check for every name before it touches a disk, and bounded reading.

A name comes from outside if it stands in a listing, lock, manifest, snapshot, index, archive or link.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import unicodedata
from typing import TYPE_CHECKING

from neuronbuild.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

LONGEST_PART = 255
"""Bytes of a file's name in UTF-8: more fits on no file system."""

LONGEST_PATH = 1024
"""Bytes of a relative path in UTF-8. Linux takes 4,096 with the folder that it counts from."""

DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that mean a device on Windows, in every folder and with every suffix."""

MOST_VALUES = 1_000_000
"""Values in one JSON document from outside. They take a hundred bytes of memory each; a release of ten thousand files has
fifty thousand."""

MOST_LEVELS = 100
"""Levels of nesting of one JSON document from outside. Configs have five."""

TOO_DEEP = f"it is nested more than {MOST_LEVELS} levels deep"

LONGEST_JSON = 32 << 20
"""Bytes of one JSON document from outside."""


class UnsafeNameError(ValueError):
    """A name from outside that could mean another place than one below the folder that it is put in."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"unsafe path {name[:80]!a}: {problem}")


def check_name(name: str) -> str:
    """Let a relative path through that means a file below any folder, and the same one on every system.

    Raises:
        UnsafeNameError: it is absolute or empty, leads upwards, is too long, or has characters that could be read otherwise.
    """
    if not name.isprintable():
        raise UnsafeNameError(name, "it holds characters that can't be printed")
    if "\\" in name or ":" in name:
        raise UnsafeNameError(name, "backslashes and colons have a meaning on Windows")
    if len(name.encode()) > LONGEST_PATH:
        raise UnsafeNameError(name, f"it is longer than {LONGEST_PATH:,} bytes")
    for part in name.split("/"):
        _check_part(name, part)
    return name


def _check_part(name: str, part: str) -> None:
    if part in {"", ".", ".."}:
        raise UnsafeNameError(name, "it isn't a plain path below a folder")
    if part[-1] in ". ":
        raise UnsafeNameError(name, "a part of it ends with a dot or a space")
    if len(part.encode()) > LONGEST_PART:
        raise UnsafeNameError(name, f"a part of it is longer than {LONGEST_PART} bytes")
    if DEVICES.fullmatch(part):
        raise UnsafeNameError(name, "it is the name of a device on Windows")


def check_names(names: Iterable[str]) -> None:
    """Let the names of files through that are to lie in one folder.

    Raises:
        UnsafeNameError: one is unsafe by itself, is the same as another where case isn't told apart, or is a folder of another.
    """
    seen: dict[str, str] = {}
    for name in names:
        folded = fold_name(check_name(name))
        if folded in seen:
            raise UnsafeNameError(name, f"it is the same file as {seen[folded][:80]!a} where case isn't told apart")
        seen[folded] = name
    for folded, name in seen.items():
        parts = folded.split("/")
        if any("/".join(parts[:depth]) in seen for depth in range(1, len(parts))):
            raise UnsafeNameError(name, "a folder of it is a file as well")


def fold_name(name: str) -> str:
    """What two names have in common that are one file on systems that don't tell case or ways of writing accents apart."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def parse_json(data: bytes | str) -> object:
    """A JSON value that somebody else wrote.

    Raises:
        ValueError: whatever is wrong with it: it is no JSON, nested too deeply, too long, or holds too many values.
    """
    if isinstance(data, str):
        data = data.encode()
    if len(data) > LONGEST_JSON:
        raise ValueError(f"it has {counted(len(data), 'byte')}, at most {LONGEST_JSON:,} are read")
    if len(data) > MOST_VALUES and data.count(b",") + data.count(b"[") > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES:,} values")
    try:
        value: object = json.loads(data)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _refuse_depth(value)
    return value


def _refuse_depth(value: object) -> None:
    """Stop at values that whoever walks through them would need a deep stack for."""
    level = [value]
    for _ in range(MOST_LEVELS):
        inner = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [part for parts in inner for part in parts if isinstance(part, dict | list)]
        if not level:
            return
    raise ValueError(TOO_DEEP)


def read_plain(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file, of at most `most` bytes. A pipe of that name would be waited on for ever.

    Raises:
        OSError: it can't be read, is no regular file, or is larger.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it has {counted(size, 'byte')}, at most {most:,} are read", str(path))
        return file.read()


def open_plain(path: Path) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    file = open(path, "rb", opener=_open)  # noqa: SIM115 (whoever asked closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def _open(path: str, flags: int) -> int:
    """A pipe opens at once this way, and is looked at before it is read."""
    return os.open(path, flags | os.O_NONBLOCK)
