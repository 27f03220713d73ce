from __future__ import annotations

import pytest

from neuronbuild.errors import BlobMissingError
from neuronbuild.store.names import action_name
from tests.unit.store.artifacts import contents, get, key_of, model_blob, put


def test_what_is_far_comes_near_when_it_is_looked_up(near, far, both, tmp_path):
    manifest = put(far, 1)
    assert both.known([key_of(1), key_of(2)]) == {key_of(1): None}
    assert both.lookup(key_of(1)) == manifest
    assert get(near, 1, tmp_path) == contents(1)
    assert near.objects.read(action_name(key_of(1))) == far.objects.read(action_name(key_of(1)))
    assert near.read_blob(manifest.log) == b"log 1"


@pytest.mark.parametrize("damage", [bytes(40), b"short", b""])
def test_a_damaged_blob_near_is_put_aside_and_fetched_again(near, far, both, tmp_path, damage):
    put(far, 1)
    both.lookup(key_of(1))
    near.objects.write(model_blob(1), damage)
    assert get(both, 1, tmp_path) == contents(1)
    assert near.objects.read(model_blob(1)) == contents(1)["model.pt2"]


def test_a_blob_that_is_nowhere_is_missing(near, far, both, tmp_path):
    put(both, 1)
    both.close()
    near.objects.delete(model_blob(1))
    far.objects.delete(model_blob(1))
    with pytest.raises(BlobMissingError):
        get(both, 1, tmp_path)


def test_records_are_listed_and_inspected_where_they_are_local(near, far, both):
    put(far, 2)
    manifest = put(near, 1)
    assert both.recorded_keys() == [manifest.key]
    assert both.inspect(manifest.key) == manifest
    assert both.inspect(key_of(2)) == near.inspect(key_of(2))
    assert list(both.manifests()) == [manifest]
