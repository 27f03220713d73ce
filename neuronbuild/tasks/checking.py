"""Checks of what other libraries' JSON files hold: every key must be known, and its value must be one that is understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Check = Callable[[object], bool]
"""Whether a value is understood. `bool` is an `int` in Python, and is never taken for a number here."""


class SettingError(ValueError):
    """A setting that isn't known here; the message names its file and key."""

    def __init__(self, file: str, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


def checked(file: str, document: object, checks: Mapping[str, Check]) -> dict[str, object]:
    """A document whose keys are all known, and whose values are all understood.

    Raises:
        SettingError: it is no mapping, or one of its keys or values isn't known.
    """
    if not isinstance(document, dict):
        raise SettingError(file, "it holds no keys and values")
    for key, value in document.items():
        if key not in checks:
            raise SettingError(file, f"this version doesn't know {key!a:.80}, which may change an answer")
        if not checks[key](value):
            raise SettingError(file, f"this version can't do {key}: {value!a:.80}")
    return document


def one_of(*values: object) -> Check:
    """Whether a value is one of these, and of the same type."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def is_anything(_: object) -> bool:
    """Any value, of a key that changes no answer."""
    return True


def is_flag(value: object) -> bool:
    """True, false, or nothing."""
    return value is None or isinstance(value, bool)


def is_whole(value: object) -> bool:
    """A whole number, or nothing."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def is_length(value: object) -> bool:
    """A whole number above zero, or nothing."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def is_text(value: object) -> bool:
    """A text, or nothing."""
    return value is None or isinstance(value, str)


def is_texts(value: object) -> bool:
    """Texts by name, each of them or nothing."""
    return isinstance(value, dict) and all(is_text(text) for text in value.values())


def none_but(*names: str) -> Check:
    """Whether arguments are empty, but for names that are dropped in any case."""
    return lambda value: value is None or (isinstance(value, dict) and not value.keys() - {*names})


def arguments(checks: Mapping[str, Check]) -> Check:
    """Whether arguments are all known and understood."""
    return lambda value: (
        value is None
        or (isinstance(value, dict) and all(name in checks and checks[name](inner) for name, inner in value.items()))
    )
