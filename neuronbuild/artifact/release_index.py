"""`neuronbuild.json`: what a release folder holds, made from what."""

from __future__ import annotations

from dataclasses import dataclass, field

from neuronbuild.artifact.manifest import Check, Signed, is_safe_path

FILENAME = "neuronbuild.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """One file of the release besides this index: path, SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        if not is_safe_path(self.path):
            raise ValueError(f"unsafe path in a release: {self.path!r}")


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a constant's value lies: a safetensors file of the release, and the tensor's name in it."""

    file: str
    tensor: str

    def __post_init__(self) -> None:
        if not is_safe_path(self.file):
            raise ValueError(f"unsafe path in a release: {self.file!r}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One compiled shape: its folder in the release, the action it came from, and the checks with the real weights.

    `file` is the path of the compiled file, which other tools want elsewhere than in that folder.
    """

    graph: str
    shape: dict[str, int]
    folder: str
    key: str
    checks: tuple[Check, ...] = ()
    file: str = ""

    def __post_init__(self) -> None:
        for path in (self.folder, self.file or self.folder):
            if not is_safe_path(path):
                raise ValueError(f"unsafe path in a release: {path!r}")


@dataclass(frozen=True, slots=True)
class ReleaseIndex:
    """A release, whole. `stamp` is the digest of everything that decided it: equal stamps mean an up-to-date folder.

    `notes` are sentences for whoever uses it. `loader` is the class of another tool that runs it, with its package, where
    that isn't ours to run.
    """

    name: str
    task: str
    platform: str
    model: str
    revision: str | None
    snapshot: str
    stamp: str
    tool: str
    dynamic_batch_size: bool
    buckets: tuple[Bucket, ...]
    bindings: dict[str, Binding]
    files: tuple[ReleasedFile, ...]
    omitted_outputs: tuple[str, ...] = ()
    padding_matters: bool = False
    toolchain: dict[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    loader: str = ""
    format: int = FORMAT
    signatures: tuple[Signed, ...] = field(default=(), compare=False)
