"""Pydantic's findings in a recipe author's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neuronbuild.recipe.schema import Compiler, Limits, ReleaseSettings, unknown_word

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

PARTS: dict[str, type[BaseModel]] = {"compiler": Compiler, "release": ReleaseSettings, "limits": Limits}

WORDS = {
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "too_short": "should have at least one item",
    "string_too_short": "should not be empty",
}
"""Codes whose own messages speak of Python's types."""


def describe(fault: ErrorDetails, kind: type[BaseModel]) -> str:
    """One finding in a document of a kind: which key, what is wrong, and the nearest valid word where there is one."""
    keys, code = fault["loc"], fault["type"]
    where = ".".join(map(str, keys))
    if code == "extra_forbidden":
        known = PARTS.get(str(keys[0]), kind) if len(keys) > 1 else kind
        return unknown_word("key", str(keys[-1]), list(known.model_fields))
    if code == "missing":
        return f"the key {where!r} is missing"
    if code == "literal_error":
        words = re.findall(r"'([^']+)'", fault["ctx"]["expected"])
        what = where if isinstance(keys[-1], str) else str(keys[-2]).removesuffix("s")
        return unknown_word(what, str(fault["input"]), words) if words else f"{where}: should be {fault['ctx']['expected']}"
    if code == "int_type" and re.fullmatch(r"0[0-9]{1,20}", str(fault["input"])):
        return f"{where}: {fault['input']} isn't a number in YAML because it begins with 0: write {int(fault['input'])}"
    text = WORDS.get(code) or fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {text}" if where else text
