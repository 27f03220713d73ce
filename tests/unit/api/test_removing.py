from __future__ import annotations

import pytest

from neuronbuild.api.removing import find_keys
from neuronbuild.errors import UsageError
from neuronbuild.store.location import open_store
from tests.unit.store.artifacts import key_of, put


@pytest.fixture
def store():
    """Two artifacts."""
    store = open_store("memory:")
    for number in (1, 2):
        put(store, number)
    return store


def test_keys_are_found_by_their_beginnings_each_once(store):
    one = key_of(1)
    assert find_keys(store, [one[:12], one, one[:8].upper()]) == [one]


@pytest.mark.parametrize(
    ("beginning", "text"), [("zz", "no artifact's key begins with zz"), ("", "2 artifacts' keys begin with")]
)
def test_a_beginning_of_none_or_several_is_refused(store, beginning, text):
    with pytest.raises(UsageError, match=text):
        find_keys(store, [beginning])
