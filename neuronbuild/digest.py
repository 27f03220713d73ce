"""Digests, action keys, and the one canonical form that both are taken from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from pathlib import Path

ActionKey = NewType("ActionKey", str)
"""The SHA-256, in hex, of an action's canonical JSON. A type of its own, so that no blob's digest is looked up as a key."""

CHUNK = 1 << 20
"""Bytes read at a time. Above 1 MiB SHA-256 gets no faster, and memory stays bounded."""

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """SHA-256 (64 lower-case hex digits) and size in bytes of some bytes.

    SHA-256 because the Hub's LFS files and S3's checksums carry it already.
    """

    sha256: str
    size: int

    def __post_init__(self) -> None:
        if not is_hex_digest(self.sha256):
            raise ValueError(f"not a SHA-256 in hex: {self.sha256[:80]!r}")
        if self.size < 0:
            raise ValueError(f"negative size: {self.size}")


def is_hex_digest(text: str) -> bool:
    """Whether `text` is 64 lower-case hex digits: what guards every name built from a digest."""
    return _HEX.fullmatch(text) is not None


def digest_bytes(data: bytes) -> Digest:
    """Digest of bytes in memory."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def digest_file(path: Path) -> Digest:
    """Digest of a file's bytes, read in chunks of `CHUNK`.

    Raises:
        OSError: the file can't be read.
    """
    size = 0
    sha = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return Digest(sha.hexdigest(), size)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: object) -> bytes:
    """The one byte form of a JSON value: keys sorted, no white space, UTF-8, NaN refused.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value isn't JSON.
    """
    return _ENCODER.encode(value).encode()


def digest_json(value: object) -> Digest:
    """Digest of a value's canonical JSON."""
    return digest_bytes(canonical_json(value))
