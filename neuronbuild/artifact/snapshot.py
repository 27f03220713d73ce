"""A model pinned: every file that matters, by digest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from neuronbuild.digest import Digest, digest_json
from neuronbuild.errors import SourceError
from neuronbuild.files import read_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf")
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.*", "spiece.model", "sentencepiece*.model", "*.spm", "bpe.codes")
"""Files that hold the words of a tokenizer, whatever its kind."""

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


def holds_tokenizer(paths: Iterable[str]) -> bool:
    """Whether a tokenizer that knows any word is among the files."""
    return any(fnmatchcase(path, pattern) for path in paths for pattern in VOCABULARIES)


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
        """One JSON file of the snapshot, or `None` where the model has no such file.

        Raises:
            SourceError: it can't be read.
        """
        if path not in self.snapshot.files:
            return None
        loaded = self.documents.get(path)
        if loaded is None:
            try:
                loaded = json.loads(read_plain(self.open_file(path)).decode())
            except (OSError, ValueError, RecursionError) as error:
                problem = f"its {path} can't be read: {error}"
                raise SourceError(self.snapshot.model, problem, hint="get the file again") from None
        return loaded if isinstance(loaded, dict) else {"": loaded}
