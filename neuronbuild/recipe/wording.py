"""Pydantic's findings in a recipe author's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neuronbuild.recipe.schema import (
    Adapter,
    Compiler,
    Interpreter,
    Limits,
    Network,
    Recipe,
    ReleaseSettings,
    RemoteSettings,
    Workspace,
)
from neuronbuild.recipe.words import REASONS, RENAMED, SPELLINGS, VALUES, unknown_word
from neuronbuild.sdks import releases_like
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

PARTS: dict[str, type[BaseModel]] = {
    "compiler": Compiler,
    "controlnet": Network,
    "limits": Limits,
    "lora": Adapter,
    "release": ReleaseSettings,
    "remote": RemoteSettings,
    "toolchains": Interpreter,
}

WORDS = {
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "too_short": "should have at least one item",
    "string_too_short": "should not be empty",
}
"""Codes whose own messages speak of Python's types."""

PLACES = {
    **dict.fromkeys(Limits.model_fields, "it is a setting of the workspace: in neuronbuild.yaml, under `limits`"),
    **dict.fromkeys(Workspace.model_fields, "it is a setting of the workspace: in neuronbuild.yaml"),
    **dict.fromkeys(Recipe.model_fields, "it stands at the top of a recipe"),
    **dict.fromkeys(Compiler.model_fields, "it stands under `compiler`"),
    **dict.fromkeys([*AXES, "exclude", "include"], "it stands under `shapes`"),
}
"""Where the words of recipes and workspaces stand, for those that stand elsewhere."""

ELSEWHERE = {**REASONS, **PLACES}
"""What to do about words that aren't known where they stand, but for those that have another name here."""


def describe(fault: ErrorDetails, kind: type[BaseModel], text: str | None = None) -> str:
    """One finding in a document of a kind: which key, what is wrong, and the nearest valid word where there is one.

    `text` is what stands there, where YAML took it for something else than text.
    """
    keys, code = fault["loc"], fault["type"]
    where = ".".join(map(str, keys))
    if code == "extra_forbidden":
        known = PARTS.get(str(keys[0]), kind) if len(keys) > 1 else kind
        return unknown_key("key", str(keys[-1]), list(known.model_fields))
    if code == "missing":
        return f"the key {where!r} is missing"
    if code == "literal_error":
        words = re.findall(r"'([^']+)'", fault["ctx"]["expected"])
        what = where if isinstance(keys[-1], str) else str(keys[-2]).removesuffix("s")
        elsewhere = {word: f"here it is {ours}" for word, ours in SPELLINGS.get(str(keys[-1]), {}).items()}
        return (
            unknown_word(what, str(fault["input"]), words, elsewhere)
            if words
            else f"{where}: should be {fault['ctx']['expected']}"
        )
    if code == "int_type" and re.fullmatch(r"0[0-9]{1,20}", str(fault["input"])):
        return f"{where}: {fault['input']} isn't a number in YAML because it begins with 0: write {int(fault['input'])}"
    if code == "string_type" and (text is not None or keys[-1] == "sdk"):
        return f"{where}: {_unquoted(str(keys[-1]), text or str(fault['input']))}"
    said = WORDS.get(code) or fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {said}" if where else said


def unknown_key(kind: str, name: str, known: list[str]) -> str:
    """What is said of a key, axis or argument that isn't known where it stands."""
    renamed = {word: f"here it is `{ours}`{_placed(ours, known)}{_valued(word)}" for word, ours in RENAMED.items()}
    elsewhere = {word: told for word, told in {**ELSEWHERE, **renamed}.items() if word not in known}
    return unknown_word(kind, name, known, elsewhere)


def _placed(ours: str, known: list[str]) -> str:
    return "" if ours in known else f" ({PLACES[ours].removeprefix('it stands ')})"


def _valued(word: str) -> str:
    return f": {VALUES[word]}" if word in VALUES else ""


def _unquoted(key: str, text: str) -> str:
    """What is said of text that YAML takes for a number or for true or false; a release of the SDK has three numbers."""
    written = f'write "{text}", in quotes: without them YAML reads a number, or true or false'
    if key != "sdk":
        return written
    return f"{text} isn't text in YAML, and a release of the Neuron SDK is: write {releases_like(text)}, in quotes"
