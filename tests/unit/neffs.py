"""NEFF headers as their documentation has them, written field by field, and archives with one inside."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

FORMAT = "<5Q128sI32s16s256sI64sQI468s"


def neff(
    data: bytes = b"\x1f\x8b rest", *, lnc: int = 1, size: int = 1024, features: int = 0, length: int | None = None
) -> bytes:
    """A header and some data."""
    told = len(data) if length is None else length
    build, name = b"2.26.6360.0", b"graph"
    fields = (2, size, told, 2, 0, build, 1, b"\xaa" * 32, b"\xbb" * 16, name, 1, b"", features, lnc, b"")
    return struct.pack(FORMAT, *fields) + data


def archive(path: Path, *entries: bytes, compressed: bool = False) -> Path:
    """What torch.jit.save writes: a zip of stored entries under one root."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("model/data.pkl", b"pickled" * 40)
        for index, entry in enumerate(entries):
            file.writestr(f"model/data/{index}", entry)
    return path
