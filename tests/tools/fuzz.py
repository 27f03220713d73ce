"""How often a test on generated cases runs, and JSON values of all kinds to run it on."""

from __future__ import annotations

import random
import struct
import sys

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

few = settings(max_examples=40, derandomize=True, deadline=None, database=None)
"""The same few cases every time."""

many = settings(max_examples=20_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
"""Thousands of new ones, for tests marked `soak`."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def random_text(chance: random.Random, longest: int = 8) -> str:
    """A few characters from anywhere in Unicode, more often from its beginning; no half ones."""
    codes = (chance.randrange(chance.choice([0x80, 0x250, sys.maxunicode + 1])) for _ in range(chance.randint(0, longest)))
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def random_json(chance: random.Random, depth: int = 3) -> object:
    """A JSON value of any kind: what `json_values` are, made in a tenth of the time."""
    kind = chance.randrange(8 if depth else 5)
    if kind < 2:
        return chance.choice([None, True, False])
    if kind == 2:
        return chance.getrandbits(chance.choice([8, 31, 64, 130])) * chance.choice([1, -1])
    if kind == 3:
        number = struct.unpack("<d", chance.randbytes(8))[0]
        return number if abs(number) < float("inf") else chance.choice([0.0, -0.0, 1.5, 1e16])
    if kind == 4:
        return random_text(chance)
    if kind == 5:
        return [random_json(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return random_mapping(chance, depth - 1)


def random_mapping(chance: random.Random, depth: int = 3, longest: int = 8) -> dict[str, object]:
    """Up to three such values by names of any characters."""
    return {random_text(chance, longest): random_json(chance, depth) for _ in range(chance.randint(0, 3))}
