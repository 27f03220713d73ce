"""Actions: everything that decides the bytes of one compile, conversion or check, and nothing else.

The canonical JSON of an action's document is what its key is the digest of, and what the worker is handed
(`neuronbuild/worker/contract.py` describes the same records for the interpreter that it runs in).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final, Literal

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.digest import ActionKey, digest_json

FORMAT: Final = 3
"""Rises when the same document starts to mean other bytes. Every key changes with it."""

SEPARATE: Final = "separate"
"""Stands for the weights of a graph that are bound to it when it is loaded."""

JSON = (str, int, float, dict)
"""What stands in a document as it is. What else a record holds are tuples and records."""

Digests = dict[str, str]
"""SHA-256 of files by path."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA that is merged into a pipeline: its file of weights, and how much of it is added."""

    weights: str
    scale: float


@dataclass(frozen=True, slots=True)
class ModelPart:
    """The model of an action. Fields that are `None` don't stand in the document.

    `auto_class` is transformers' or diffusers', `outputs` are those that its graphs may have, in order. `config` holds what
    decides the graph, in transformers' own words. `attention` is the implementation that is traced, `no_token_types` the token
    type that stands for none. `code` are the Python files that a model brings. Where another tool is handed whole folders,
    `files` are their digests, and `commits` the Hub's commits by part.
    """

    auto_class: str
    config: dict[str, object]
    outputs: tuple[str, ...] | None = None
    attention: str | None = None
    no_token_types: int | None = None
    sentence_modules: tuple[dict[str, object], ...] | None = None
    code: Digests | None = None
    commits: Digests | None = None
    controlnets: int | None = None
    files: Digests | None = None
    lora: tuple[Lora, ...] | None = None

    @property
    def model_type(self) -> str:
        """As the config says it: a pipeline's is its class. Empty where it says none."""
        return str(self.config.get("model_type", ""))

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON: what locks know it by."""
        return digest_json(document_of(self)).sha256


@dataclass(frozen=True, slots=True)
class CompilerPart:
    """Options of a compiler, with defaults written out. Which of them a toolchain has, it says itself; the others are `None`.

    `arguments` are those that a Neuron compiler or exporter is called with, word by word.
    """

    auto_cast: str | None = None
    auto_cast_type: str | None = None
    optlevel: int | None = None
    arguments: tuple[str, ...] | None = None
    dynamic_batch_size: bool | None = None
    lazy_load: bool | None = None
    async_load: bool | None = None
    fallback: bool | None = None
    minimum_segment_size: int | None = None
    num_cores: int | None = None
    libraries: Digests | None = None

    @property
    def logical_cores(self) -> int:
        """Physical cores that make one, as the arguments of neuronx-cc say it."""
        stated = [word.partition("=")[2] for word in self.arguments or () if word.startswith("--lnc=")]
        return int(stated[0]) if stated else 1


@dataclass(frozen=True, slots=True)
class InputPart:
    """An input of a graph. Dtypes are written as torch names them, without the prefix."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class _Stored:
    __slots__ = ()

    def document(self) -> dict[str, object]:
        """The JSON form, whose canonical text gives the key."""
        return document_of(self)


@dataclass(frozen=True, slots=True)
class CompileAction(_Stored):
    """One compile: `shape` are sizes by axis, `weights` digests by path where they are compiled in."""

    task: str
    model: ModelPart
    graph: str
    shape: dict[str, int]
    inputs: tuple[InputPart, ...]
    weights: Literal["separate"] | Digests
    dtype: str
    compiler: CompilerPart
    toolchain: Fingerprint
    format: int = FORMAT
    kind: Literal["compile"] = "compile"

    @property
    def checkpoint(self) -> Digests:
        """SHA-256, by path, of the checkpoint's files that are compiled in."""
        return {} if self.weights == SEPARATE else self.weights

    @property
    def is_separate(self) -> bool:
        """Whether weights are bound to the graph when it is loaded."""
        return self.weights == SEPARATE


@dataclass(frozen=True, slots=True)
class ConvertAction(_Stored):
    """The conversion of a checkpoint's tensors of some names, for graphs that were compiled so."""

    model: ModelPart
    dtype: str
    compiler: CompilerPart
    toolchain: Fingerprint
    weights: Digests
    names: tuple[str, ...]
    format: int = 1
    kind: Literal["convert"] = "convert"

    @property
    def checkpoint(self) -> Digests:
        """SHA-256, by path, of the checkpoint's files that are converted."""
        return self.weights


@dataclass(frozen=True, slots=True)
class CheckAction(_Stored):
    """The comparison of a compiled graph, with a checkpoint bound to it, with eager PyTorch: `action` is the graph's key."""

    action: str
    files: Digests
    weights: Digests
    format: int = 1
    kind: Literal["check"] = "check"

    @property
    def checkpoint(self) -> Digests:
        """SHA-256, by path, of the checkpoint's files that were bound."""
        return self.weights


@dataclass(frozen=True, slots=True)
class UnknownAction:
    """An action of another version: stored, listed, signed and removed like the others, and asked for by no plan."""

    content: dict[str, object]
    kind: Literal["unknown"] = "unknown"

    @property
    def checkpoint(self) -> Digests:
        """SHA-256, by path, of files of a checkpoint that may be in it: former versions said it as this one does."""
        stated = self.content.get("weights")
        return {path: str(digest) for path, digest in stated.items()} if isinstance(stated, dict) else {}

    def document(self) -> dict[str, object]:
        """The JSON form, as it was read."""
        return self.content


StoredAction = CompileAction | ConvertAction | CheckAction
Action = StoredAction | UnknownAction


def action_key(action: Action) -> ActionKey:
    """The digest of an action's canonical JSON."""
    return ActionKey(digest_json(action.document()).sha256)


def document_of(record: object) -> dict[str, object]:
    """A record as JSON: what is `None` is left out, and mappings are as they are."""
    values = ((field.name, getattr(record, field.name)) for field in dataclasses.fields(record))  # type: ignore[arg-type]
    return {name: _plain(value) for name, value in values if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, JSON):
        return value
    return [_plain(item) for item in value] if isinstance(value, tuple) else document_of(value)
