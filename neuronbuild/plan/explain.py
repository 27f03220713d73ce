"""Why an action has another key than another one: the fields in which they differ, in the words that people know.

Knows documents of actions and nothing of stores: `plan.nearest` chooses what to compare with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.fields import Field, canonical_fields, write_fields
from neuronbuild.digest import canonical_text, digest_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neuronbuild.artifact.fields import Path
    from neuronbuild.digest import ActionKey

NAMES: tuple[tuple[Path, str], ...] = (
    (("shape",), ""),
    (("graph",), "graph"),
    (("toolchain", "versions"), ""),
    (("dtype",), "dtype"),
    (("compiler", "arguments"), "compiler arguments"),
    (("compiler",), ""),
    (("toolchain", "name"), "toolchain"),
    (("toolchain", "platform"), "platform"),
    (("toolchain", "flags"), ""),
    (("model", "config"), ""),
    (("weights",), "weights"),
    (("model", "code"), "the model's code"),
    (("model", "commits"), "the model's commit"),
    (("model", "files"), "the model's files"),
    (("model",), ""),
    (("format",), "format of actions"),
)
"""What fields are called, by the beginning of their path: the text, then the rest of the path. The most telling come first."""

WEIGHTS: Path = ("weights",)

WHOLE: tuple[Path, ...] = (WEIGHTS, ("model", "code"), ("model", "commits"), ("model", "files"))
"""Mappings of digests: they differ or they don't, and which of their files do tells people nothing."""

DIGEST = "sha256:"
"""Begins the digest that stands for such a mapping."""

INPUTS: Path = ("inputs",)
"""The dimensions of inputs follow from the shape and the model's config."""

TELLING = ("model_type", "hidden_size", "d_model", "num_hidden_layers", "num_labels")
"""Keys of a config that say best which model it is."""

LONGEST_VALUE = 40
"""Characters of a value that are shown."""

KEY_SHOWN = 12
"""Characters of a key that are shown, here as in every command."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two actions differ: JSON values, `None` where there is none.

    For a mapping of digests there stands one digest of all.
    """

    path: Path
    before: object
    after: object

    def __str__(self) -> str:
        """`hidden_size 384 -> 768`."""
        name = _name(self.path)
        if isinstance(self.before, list) and isinstance(self.after, list):
            removed = [item for item in self.before if item not in self.after]
            added = [item for item in self.after if item not in self.before]
            if removed or added:
                return f"{name} {_words(removed)} -> {_words(added)}"
        if _is_digest(self.path, self.before) and _is_digest(self.path, self.after):
            return f"other {name.removeprefix('the ')}"
        if self.path == WEIGHTS:
            return f"{name} {_place(self.before)} -> {_place(self.after)}"
        return f"{name} {_shown(self.before)} -> {_shown(self.after)}"

    def as_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {"path": list(self.path), "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Nearest:
    """The known action that is most like one that isn't, and how the wanted one differs from it."""

    key: ActionKey
    differences: tuple[Difference, ...]

    def sentence(self, room: int) -> str:
        """Both in about so many characters."""
        head = f"nearest {self.key[:KEY_SHOWN]}: "
        return head + tell(self.differences, room - len(head))

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it."""
        return {"key": self.key, "differences": [each.as_json() for each in self.differences]}


def comparable(document: Mapping[str, object]) -> dict[Path, str]:
    """The fields of an action's document by path, with one for all of a mapping of digests. An empty mapping is none."""
    texts: dict[Path, str] = {}
    files: dict[Path, list[Field]] = {}
    for path, text in canonical_fields(document):
        whole = next((each for each in WHOLE if path[: len(each)] == each), path)
        if whole != path:
            files.setdefault(whole, []).append(Field(path[len(whole) :], text))
        elif text != "{}":
            texts[path] = text
    digests = {whole: digest_bytes(write_fields(fields).encode()).sha256 for whole, fields in files.items()}
    return texts | {whole: f'"{DIGEST}{digest}"' for whole, digest in digests.items()}


def find_differences(before: Mapping[Path, str], after: Mapping[Path, str]) -> tuple[Difference, ...]:
    """What differs between the comparable fields of two actions, in canonical order."""
    paths = sorted({path for path, _ in before.items() ^ after.items()})
    differences = tuple(Difference(path, _value(before.get(path)), _value(after.get(path))) for path in paths)
    return tuple(difference for difference in differences if difference.path != INPUTS) or differences


def tell(differences: Iterable[Difference], room: int) -> str:
    """`batch_size 1 -> 2, hidden_size 384 -> 768 and 3 more`: as many as there is room for, and at least one."""
    texts = [str(each) for each in sorted(differences, key=_rank)]
    shown = min(1, len(texts))
    while shown < len(texts) and len(_joined(texts, shown + 1)) <= room:
        shown += 1
    return _joined(texts, shown)


def _joined(texts: list[str], shown: int) -> str:
    more = len(texts) - shown
    return ", ".join(texts[:shown]) + (f" and {more} more" if more else "")


def _value(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _is_digest(path: Path, value: object) -> bool:
    return path in WHOLE and isinstance(value, str) and value.startswith(DIGEST)


def _place(weights: object) -> str:
    """Where the weights are, in or beside the code."""
    return "compiled in" if _is_digest(WEIGHTS, weights) else _shown(weights)


def _rank(difference: Difference) -> tuple[int, int]:
    path = difference.path
    kind = next((index for index, (prefix, _) in enumerate(NAMES) if path[: len(prefix)] == prefix), len(NAMES))
    return kind, TELLING.index(path[-1]) if path[-1] in TELLING else len(TELLING)


def _name(path: Path) -> str:
    prefix, name = next((each for each in NAMES if path[: len(each[0])] == each[0]), ((), ""))
    return ".".join((*filter(None, [name]), *path[len(prefix) :]))


def _words(items: list[object]) -> str:
    return " ".join(map(_shown, items)) or "none"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else canonical_text(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
