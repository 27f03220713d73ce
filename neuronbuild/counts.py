"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 target`, `1,045 targets`: the plural adds an s unless it is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: list[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
