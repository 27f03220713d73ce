"""A near store in memory, a far one, and both in layers."""

from __future__ import annotations

import pytest

from tests.unit.store.layers import far_memory, layered, near_memory


@pytest.fixture
def near():
    return near_memory()


@pytest.fixture
def far():
    return far_memory()


@pytest.fixture
def both(near, far):
    return layered(near, far)
