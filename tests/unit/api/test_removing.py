from __future__ import annotations

import pytest

from neuronbuild.api.removing import find_keys, read_artifact
from neuronbuild.errors import NewerRecordError, StoreError, UsageError
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name
from tests.unit.store.artifacts import key_of, make_newer, put


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


def test_an_artifact_is_read_by_its_key(store):
    assert read_artifact(store, key_of(1)).key == key_of(1)


def test_what_cant_be_read_is_an_error_that_names_the_key(store):
    store.objects.write(action_name(key_of(1)), b"{")
    with pytest.raises(StoreError, match=f"the manifest of {key_of(1)} can't be read"):
        read_artifact(store, key_of(1))
    make_newer(store, 2)
    with pytest.raises(NewerRecordError):
        read_artifact(store, key_of(2))
