"""How often a test on generated cases runs, and JSON values of all kinds to run it on."""

from __future__ import annotations

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
