"""A model pinned: every file that matters, by digest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.digest import Digest, digest_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf")
WEIGHT_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Model id as the user wrote it, the commit if there is one, and the digest of each file that matters.

    `license` and `gated` are what the Hub says; its local cache doesn't say it, so they are no part of the digest.
    """

    model: str
    revision: str | None
    files: Mapping[str, Digest]
    license: str | None = None
    gated: bool = False
    format: int = 1

    def as_json(self) -> dict[str, object]:
        """As it is stored."""
        return {**self._identity(), "license": self.license, "gated": self.gated}

    def _identity(self) -> dict[str, object]:
        files = {path: {"sha256": d.sha256, "size": d.size} for path, d in self.files.items()}
        return {"format": self.format, "model": self.model, "revision": self.revision, "files": files}

    @property
    def digest(self) -> Digest:
        """The name under which it is stored."""
        return digest_json(self._identity())

    @property
    def weights(self) -> dict[str, Digest]:
        """The files that hold weights, without the indexes of shards."""
        return {path: d for path, d in self.files.items() if path.endswith(WEIGHT_SUFFIXES)}


@dataclass(frozen=True, slots=True)
class Model:
    """A snapshot and the way to its files: small ones are read through it at planning, large ones only at release.

    `open_file` gives the path of one file of the snapshot, fetching it first where it is far away.
    `immutable` says that the place never changes a file once it is there (the Hub's local cache), so that a release may share
    its files. `documents` are JSON files that are known already.
    """

    snapshot: Snapshot
    config: Mapping[str, object]
    open_file: Callable[[str], Path]
    immutable: bool = False
    documents: Mapping[str, object] = field(default_factory=dict)

    def read_json(self, path: str) -> dict[str, object] | None:
        """One JSON file of the snapshot, or `None` where the model has no such file."""
        if path not in self.snapshot.files:
            return None
        known = self.documents.get(path)
        loaded = json.loads(self.open_file(path).read_text(encoding="utf-8")) if known is None else known
        return loaded if isinstance(loaded, dict) else {"": loaded}
