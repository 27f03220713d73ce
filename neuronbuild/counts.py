"""Numbers of things in words."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 target`, `1,045 targets`: the plural adds an s unless it is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: list[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


UNITS = ("bytes", "kB", "MB", "GB", "TB")
NEXT = 999.95
"""From here on one decimal would read 1000.0."""


def size_text(size: float) -> str:
    """Bytes in the largest unit that leaves a number of at least one: `999 bytes`, `1.5 kB`, `2.0 GB`."""
    unit = 0
    while size >= NEXT and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit else f"{size:.0f} {'byte' if size == 1 else 'bytes'}"


TIMES = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def time_text(seconds: float) -> str:
    """A span of time in whole numbers of its largest unit: `45 s`, `12 min`, `3 h`, `30 d`."""
    name, length = next(((name, length) for name, length in TIMES if seconds >= length), TIMES[-1])
    return f"{max(0, int(seconds // length)):,} {name}"
