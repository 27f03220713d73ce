from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.codec import encode
from neuronbuild.errors import ReleaseError, StoreError
from neuronbuild.release.expected import expected_index
from neuronbuild.release.folder import write_release
from neuronbuild.runtime.reader import read_index
from neuronbuild.store.trust import Trust
from tests.unit.release.made import made_request
from tests.unit.release.requests import no_job


def test_what_is_expected_is_what_is_written(tmp_path):
    request, store = made_request(tmp_path, Trust())
    expected = expected_index(request, store, {})
    assert not request.folder.exists()
    assert encode(expected) == encode(write_release(request, store, no_job))


def test_a_folder_for_every_shape_has_all_that_a_loader_wants(tmp_path):
    request, store = made_request(tmp_path, Trust(), lengths=(8, 16))
    request = replace(request, layout="optimum")
    expected = expected_index(request, store, {})
    assert encode(expected) == encode(write_release(request, store, no_job))
    assert not list(request.folder.glob("*.neuron"))
    card = (request.folder / "README.md").read_text()
    for bucket in expected.buckets:
        folder = request.folder / bucket.folder
        config = json.loads((folder / "config.json").read_text())
        assert config["neuron"]["static_sequence_length"] == bucket.shape["sequence_length"]
        assert {path.name for path in folder.iterdir()} == {"model.neuron", "config.json", "vocab.txt", "manifest.json"}
        assert f"| `{bucket.folder}` | forward | 1 | {bucket.shape['sequence_length']} |" in card
        with pytest.raises(ReleaseError) as caught:
            read_index(folder)
        assert caught.value.hint == f"it is one shape of the release {request.folder}: load that"


def test_a_check_that_nobody_made_has_to_be_made_first(tmp_path):
    request, store = made_request(tmp_path, Trust())
    with pytest.raises(ReleaseError, match="has to be done first"):
        expected_index(replace(request, checked=True), store, {})


def test_an_artifact_that_is_missing_is_told(tmp_path):
    request, store = made_request(tmp_path, Trust())
    for entry in list(store.objects.list("v1/actions/")):
        store.objects.delete(entry.name)
    with pytest.raises(StoreError, match="missing"):
        expected_index(request, store, {})
