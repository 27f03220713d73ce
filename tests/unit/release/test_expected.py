from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.artifact.codec import encode
from neuronbuild.errors import ReleaseError, StoreError
from neuronbuild.release.expected import expected_index
from neuronbuild.release.folder import write_release
from neuronbuild.store.trust import Trust
from tests.unit.release.made import made_request
from tests.unit.release.requests import no_job


def test_what_is_expected_is_what_is_written(tmp_path):
    request, store = made_request(tmp_path, Trust())
    expected = expected_index(request, store, {})
    assert not request.folder.exists()
    assert encode(expected) == encode(write_release(request, store, no_job))


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
