"""A model pinned: every file that matters, by digest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from neuronbuild.digest import Digest, digest_json
from neuronbuild.errors import SourceError
from neuronbuild.files import check_names, parse_json, read_plain
from neuronbuild.tasks import preprocessing_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf")
VOCABULARIES = (*preprocessing_files.VOCABULARIES, "*.model", "tokenizer.model*")
"""Files that hold the words of a tokenizer, whatever its kind: those that some class names, and any of SentencePiece."""

LANGUAGE_MODEL = "language_model"
"""A folder that a speech recognizer's processor reads: files in it aren't the model's weights, whatever they are called."""

WEIGHT_INDEXES = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin.index.json",
)

DOCUMENTS = ("config.json", "model_index.json")
"""Files that say what a model is: transformers' and diffusers'. A checkpoint without either says it itself."""


def is_weight(path: str) -> bool:
    """Whether a file holds weights of the model."""
    return path.endswith(WEIGHT_SUFFIXES) and not path.startswith(f"{LANGUAGE_MODEL}/")


def is_weight_index(path: str) -> bool:
    """Whether a file says which shard holds which weight."""
    return path.rpartition("/")[2] in WEIGHT_INDEXES


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

    def __post_init__(self) -> None:
        check_names(self.files)

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
        return {path: d for path, d in self.files.items() if is_weight(path)}

    @property
    def describes_itself(self) -> bool:
        """Whether a file of it, and not its weights, says what it is."""
        return any(name in self.files for name in DOCUMENTS)


def holds_tokenizer(paths: Iterable[str]) -> bool:
    """Whether a tokenizer that knows any word is among the files."""
    return any(fnmatchcase(path, pattern) for path in paths for pattern in VOCABULARIES)


@dataclass(frozen=True, slots=True)
class Model:
    """A snapshot and the way to its files: small ones are read through it at planning, large ones only at release.

    `open_file` gives the path of one file of the snapshot, fetching it first where it is far away.
    `immutable` says that the place never changes a file once it is there (the Hub's local cache), so that a release may share
    its files. `documents` are JSON files that are known already. `parts` are models that were put into folders of this one,
    by folder, and the model itself as it was, under no name.
    """

    snapshot: Snapshot
    config: Mapping[str, object]
    open_file: Callable[[str], Path]
    immutable: bool = False
    documents: Mapping[str, object] = field(default_factory=dict)
    parts: Mapping[str, Model] = field(default_factory=dict)

    @property
    def commits(self) -> dict[str, str]:
        """The commits of the model (under no name) and of its parts, of those that have one."""
        found = {"": self.snapshot.revision, **{name: part.snapshot.revision for name, part in self.parts.items()}}
        return {name: commit for name, commit in found.items() if commit is not None}

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
                loaded = parse_json(read_plain(self.open_file(path)))
            except (OSError, ValueError) as error:
                problem = f"its {path} can't be read: {error}"
                raise SourceError(self.snapshot.model, problem, hint="get the file again") from None
        return loaded if isinstance(loaded, dict) else {"": loaded}


def with_parts(model: Model, parts: Mapping[str, Model]) -> Model:
    """A model with others in folders of its own: one snapshot, whose files are those of all."""
    owners = {f"{name}/{path}": (part, path) for name, part in parts.items() for path in part.snapshot.files}
    files = {path: part.snapshot.files[inner] for path, (part, inner) in owners.items()}
    documents = {f"{name}/{path}": value for name, part in parts.items() for path, value in part.documents.items()}
    gated = model.snapshot.gated or any(part.snapshot.gated for part in parts.values())

    def open_file(path: str) -> Path:
        part, inner = owners.get(path, (model, path))
        return part.open_file(inner)

    return Model(
        replace(model.snapshot, files={**model.snapshot.files, **files}, gated=gated, license=_licence(model, parts)),
        model.config,
        open_file,
        model.immutable and all(part.immutable for part in parts.values()),
        {**model.documents, **documents},
        {"": model, **parts},
    )


def _licence(model: Model, parts: Mapping[str, Model]) -> str | None:
    """All licences; none where any states none."""
    stated = [each.snapshot.license for each in (model, *parts.values())]
    return None if None in stated else " and ".join(dict.fromkeys(str(each) for each in stated))
