"""Digests, action keys, and the one canonical form that both are taken from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ActionKey = NewType("ActionKey", str)
"""The SHA-256, in hex, of an action's canonical JSON. A type of its own, so that no blob's digest is looked up as a key."""

CHUNK = 1 << 20
"""Bytes read at a time. Above 1 MiB SHA-256 gets no faster, and memory stays bounded."""

PIECE = 8 << 20
"""Bytes of a large blob that have a digest of their own: what is fetched again when a range arrives damaged."""

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


@dataclass(frozen=True, slots=True)
class Pieces:
    """SHA-256 of each `size` bytes of a blob, in order; the last piece may be shorter."""

    size: int
    sha256: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.size < 1 or not all(map(is_hex_digest, self.sha256)):
            raise ValueError("pieces without a size, or whose digests are no SHA-256")

    @classmethod
    def whole(cls, digest: Digest) -> Pieces:
        """A blob as its own only piece."""
        return cls(digest.size, (digest.sha256,)) if digest.size else cls(1, ())

    def fit(self, size: int) -> bool:
        """Whether there are as many as that many bytes have."""
        return len(self.sha256) == -(-size // self.size)


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
    with path.open("rb", buffering=0) as file:
        return digest_stream(iter(lambda: file.read(CHUNK), b""))


def digest_stream(chunks: Iterable[bytes]) -> Digest:
    """Digest of bytes that come in chunks."""
    size, sha = 0, hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
        size += len(chunk)
    return Digest(sha.hexdigest(), size)


def digest_pieces(path: Path, size: int = PIECE) -> Pieces:
    """Digests of a file's pieces of that size.

    Raises:
        OSError: the file can't be read.
    """
    return _digest_both(path, size)[1]


def digest_whole_and_pieces(path: Path) -> tuple[Digest, Pieces | None]:
    """Digest of a file, and of its pieces if there are several, in one reading.

    Raises:
        OSError: the file can't be read.
    """
    if path.stat().st_size <= PIECE:
        return digest_file(path), None
    return _digest_both(path, PIECE)


def _digest_both(path: Path, size: int) -> tuple[Digest, Pieces]:
    whole, piece, parts, read = hashlib.sha256(), hashlib.sha256(), list[str](), 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(min(CHUNK, size - read % size)):
            whole.update(data)
            piece.update(data)
            read += len(data)
            if read % size == 0:
                parts.append(piece.hexdigest())
                piece = hashlib.sha256()
    if read % size:
        parts.append(piece.hexdigest())
    return Digest(whole.hexdigest(), read), Pieces(size, tuple(parts))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: object) -> bytes:
    """The one byte form of a JSON value: keys sorted, no white space, UTF-8, NaN refused.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value isn't JSON.
    """
    return canonical_text(value).encode()


def canonical_text(value: object) -> str:
    """The same as text.

    Raises:
        ValueError, TypeError: as for `canonical_json`.
    """
    return _ENCODER.encode(value)


def digest_json(value: object) -> Digest:
    """Digest of a value's canonical JSON."""
    return digest_bytes(canonical_json(value))
