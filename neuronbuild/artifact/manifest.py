"""The record of what one action produced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import Action, CompileAction, action_key
from neuronbuild.artifact.signature import Signature
from neuronbuild.digest import ActionKey, Digest, Pieces, is_hex_digest
from neuronbuild.files import check_name, check_names, fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable

FILENAME = "manifest.json"
"""What a manifest is called beside its files: none of them may be."""

FORMAT = 2
"""The manifest format that this version writes, and the highest that it reads. 2 added pieces and signatures."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact: a relative path, and the blob that holds its bytes, with pieces if it is large."""

    path: str
    digest: Digest
    pieces: Pieces | None = None

    def __post_init__(self) -> None:
        check_name(self.path)
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
    action: Action
    files: tuple[FileEntry, ...]
    provenance: Provenance
    signature: Signature | None = None
    checks: tuple[Check, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)
    log: Digest | None = None
    format: int = FORMAT
    signatures: tuple[Signed, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not is_hex_digest(self.key) or action_key(self.action) != self.key:
            raise ValueError("the key is not the digest of the action that the manifest holds")
        check_names(entry.path for entry in self.files)
        if any(fold_name(entry.path) == FILENAME for entry in self.files):
            raise ValueError(f"{FILENAME} is the manifest's own name")
        if isinstance(self.action, CompileAction) and not self.files:
            raise ValueError("a manifest of compiled code names no files")
        omitted = self.facts.get("omitted", [])
        if not isinstance(omitted, list | tuple) or not all(isinstance(name, str) for name in omitted):
            raise ValueError("the outputs that a manifest calls omitted are no names")

    @property
    def compiled(self) -> CompileAction:
        """The compile that it is of.

        Raises:
            ValueError: it is of something else.
        """
        if not isinstance(self.action, CompileAction):
            raise ValueError(f"{self.key} is no compiled graph: {self.action.kind}")  # noqa: TRY004  # of a record's content
        return self.action

    def file(self, path: str) -> Digest | None:
        """Digest of the file at that path, or `None`."""
        return next((entry.digest for entry in self.files if entry.path == path), None)

    @property
    def padding_matters(self) -> bool:
        """Whether padding was seen to change the results."""
        return any(check.is_exceeded for check in self.checks if check.kind == PADDING)

    @property
    def omitted(self) -> tuple[str, ...]:
        """Outputs of the graph that aren't handed on."""
        said = self.facts.get("omitted")
        return tuple(map(str, said)) if isinstance(said, list | tuple) else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the compiler had to say of the graph, in sentences."""
        said = self.facts.get("notes")
        return tuple(str(note) for note in said) if isinstance(said, list | tuple) else ()

    def blobs(self) -> Iterable[Digest]:
        """Every blob that must exist for this artifact to be whole. The log is not one of them."""
        return (entry.digest for entry in self.files)
