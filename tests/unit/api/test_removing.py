from __future__ import annotations

import os
import time

import pytest

from neuronbuild.api.removing import find_keys, remove
from neuronbuild.errors import UsageError
from neuronbuild.store.location import open_store
from neuronbuild.store.names import blob_name
from tests.unit.store.artifacts import get, key_of, put


@pytest.fixture
def store(tmp_path):
    """Two artifacts that share a file, nobody used them for a day."""
    store = open_store(str(tmp_path / "store"))
    then = time.time() - 86400
    for number in (1, 2):
        put(store, number)
    for number in (1, 2):
        made = store.lookup(key_of(number))
        for digest in (*made.blobs(), made.log):
            os.utime(store.objects.path(blob_name(digest.sha256)), (then, then))
    return store


def test_an_artifact_is_removed_with_what_nothing_else_names(store, tmp_path):
    lone, shared = store.lookup(key_of(1)).blobs()
    assert remove(store, [key_of(1)]) > 0
    assert store.lookup(key_of(1)) is None
    assert store.objects.size(blob_name(lone.sha256)) is None
    assert store.objects.size(blob_name(shared.sha256)) is not None
    assert get(store, 2, tmp_path)


def test_files_that_were_just_used_stay_until_a_prune(store):
    lone, _ = store.lookup(key_of(1)).blobs()
    os.utime(store.objects.path(blob_name(lone.sha256)))
    remove(store, [key_of(1)])
    assert store.objects.size(blob_name(lone.sha256)) is not None


def test_keys_are_found_by_their_beginnings_each_once(store):
    one = key_of(1)
    assert find_keys(store, [one[:12], one, one[:8].upper()]) == [one]


@pytest.mark.parametrize(
    ("beginning", "text"), [("zz", "no artifact's key begins with zz"), ("", "2 artifacts' keys begin with")]
)
def test_a_beginning_of_none_or_several_is_refused(store, beginning, text):
    with pytest.raises(UsageError, match=text):
        find_keys(store, [beginning])
