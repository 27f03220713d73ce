"""The record of what one action produced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.artifact.signature import Signature
from neuronbuild.digest import ActionKey, Digest, Pieces, digest_json, is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 2
"""The manifest format that this version writes, and the highest that it reads. 2 added pieces and signatures."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact: a relative path, and the blob that holds its bytes, with pieces if it is large."""

    path: str
    digest: Digest
    pieces: Pieces | None = None

    def __post_init__(self) -> None:
        if not is_safe_path(self.path):
            raise ValueError(f"unsafe path in a manifest: {self.path!r}")
        if self.pieces is not None and not self.pieces.fit(self.digest.size):
            raise ValueError(f"{self.path!r} has other pieces than its size asks for")


PADDING = "padding"
"""The kind of check that compares padded inputs with the same inputs unpadded, both in eager PyTorch."""


@dataclass(frozen=True, slots=True)
class Check:
    """One numeric comparison against eager PyTorch: the largest absolute difference of each output, and the limit.

    `scale` is the largest absolute value of each output, which `tolerance` is relative to.
    """

    kind: str
    reference: str
    max_abs_error: dict[str, float]
    scale: dict[str, float]
    tolerance: float

    @property
    def is_exceeded(self) -> bool:
        """Whether a difference is larger than the tolerance, not a number, or could not be measured for any output."""
        limits = {name: self.tolerance * self.scale[name] for name in self.max_abs_error}
        return not limits or any(not self.max_abs_error[name] <= limit for name, limit in limits.items())


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who made it, when (ISO 8601, UTC), in how many seconds. Never part of a key."""

    tool: str
    built_at: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature of a record: the public key as text, and Ed25519 over the record's seal, in base64."""

    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """An action, whole, and what came of it. The key must be the digest of the action: a moved manifest doesn't load.

    `signatures` are as they were read: only `store.trust` says whether one is valid.
    """

    key: ActionKey
    action: dict[str, object]
    files: tuple[FileEntry, ...]
    provenance: Provenance
    signature: Signature | None = None
    checks: tuple[Check, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)
    log: Digest | None = None
    format: int = FORMAT
    signatures: tuple[Signed, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not is_hex_digest(self.key) or digest_json(self.action).sha256 != self.key:
            raise ValueError("the key is not the digest of the action that the manifest holds")
        paths = [entry.path for entry in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("a manifest names a path twice")

    def file(self, path: str) -> Digest | None:
        """Digest of the file at that path, or `None`."""
        return next((entry.digest for entry in self.files if entry.path == path), None)

    @property
    def padding_matters(self) -> bool:
        """Whether padding was seen to change the results."""
        return any(check.is_exceeded for check in self.checks if check.kind == PADDING)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the compiler had to say of the graph, in sentences."""
        said = self.facts.get("notes")
        return tuple(str(note) for note in said) if isinstance(said, list | tuple) else ()

    def blobs(self) -> Iterable[Digest]:
        """Every blob that must exist for this artifact to be whole. The log is not one of them."""
        return (entry.digest for entry in self.files)


def is_safe_path(path: str) -> bool:
    """Whether a path is relative, plain and stays below the folder that it is put in."""
    parts = path.split("/")
    return bool(path) and "\\" not in path and "\0" not in path and all(part not in {"", ".", ".."} for part in parts)
