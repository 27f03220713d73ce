from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.manifest import FileEntry
from neuronbuild.artifact.release_index import Binding
from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import ReleaseError
from neuronbuild.release.weights import DERIVED, settle_weights
from tests.flows.checkpoints import halve, train
from tests.flows.stores import copy_store
from tests.unit.release.requests import RecordingJob, failing_job, no_job, request_for

FILE = "model.safetensors"


@pytest.fixture
def case(built, tmp_path):
    """A request, its artifact's manifest, and a store of its own."""
    request, store = request_for(built, "text-classification", tmp_path, copy_store(built.cache, tmp_path / "store"))
    return request, store.lookup(request.keys[0]), store


def with_weights(request, folder, change):
    """The same request, for a model of other weights."""
    from safetensors.torch import load_file, save_file

    save_file(change(load_file(request.model.open_file(FILE))), folder / FILE)
    files = {**request.model.snapshot.files, FILE: digest_bytes((folder / FILE).read_bytes())}
    snapshot = Snapshot("changed", None, files)
    return replace(request, model=Model(snapshot, request.model.config, lambda name: folder / name))


def test_weights_that_fit_are_bound_where_they_lie(case):
    request, manifest, store = case
    weights = settle_weights(request, [manifest], store, no_job)
    assert weights.files == (FILE,)
    assert (weights.derived, weights.omitted) == ((), ())
    assert weights.bindings["model.classifier.bias"] == Binding(FILE, "classifier.bias")
    own = {constant.name for constant in manifest.signature.constants if not constant.in_artifact}
    assert set(weights.bindings) == own


def test_other_weights_of_the_same_kind_are_bound_just_so(case, tmp_path):
    request, manifest, store = case
    other = with_weights(request, tmp_path, train)
    assert settle_weights(other, [manifest], store, no_job) == settle_weights(request, [manifest], store, no_job)


def test_weights_of_another_dtype_are_converted_once(case, tmp_path):
    request, manifest, store = case
    half = with_weights(request, tmp_path, halve)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / DERIVED).write_bytes(b"converted")
    job = RecordingJob(tmp_path / "made", {"files": [DERIVED], "omitted": []})
    first = settle_weights(half, [manifest], store, job)
    assert settle_weights(half, [manifest], store, no_job) == first
    assert [asked["kind"] for asked in job.jobs] == ["convert"]
    assert "classifier.bias" in job.jobs[0]["names"]
    assert (first.derived, first.files) == ((FileEntry(DERIVED, digest_bytes(b"converted")),), ())
    assert {binding.file for binding in first.bindings.values()} == {DERIVED}


def test_a_conversion_that_fails_leaves_no_record(case, tmp_path):
    request, manifest, store = case
    before = list(store.manifests())
    with pytest.raises(ReleaseError, match="the convert failed"):
        settle_weights(with_weights(request, tmp_path, halve), [manifest], store, failing_job)
    assert list(store.manifests()) == before


def test_a_conversion_knows_its_source_and_all_that_shapes_it(case, tmp_path):
    request, manifest, store = case
    half = with_weights(request, tmp_path, halve)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / DERIVED).write_bytes(b"converted")
    before = {one.key for one in store.manifests()}
    settle_weights(half, [manifest], store, RecordingJob(tmp_path / "made", {"files": [DERIVED], "omitted": ["x"]}))
    [record] = [one for one in store.manifests() if one.key not in before]
    assert record.action.weights == {FILE: half.model.snapshot.files[FILE].sha256}
    assert record.action.dtype == "float32"
    assert str(tmp_path) not in json.dumps(record.action.document())


def test_a_model_without_weights_is_told(case):
    request, manifest, store = case
    snapshot = request.model.snapshot
    bare = {name: digest for name, digest in snapshot.files.items() if name != FILE}
    model = replace(request.model, snapshot=replace(snapshot, files=bare))
    with pytest.raises(ReleaseError, match=r"has no weights \(no model.safetensors, pytorch_model.bin or .gguf\)"):
        settle_weights(replace(request, model=model), [manifest], store, no_job)


def test_a_weight_file_that_is_no_safetensors_is_told(case, tmp_path):
    request, manifest, store = case
    (tmp_path / FILE).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    files = {**request.model.snapshot.files, FILE: digest_bytes((tmp_path / FILE).read_bytes())}
    model = Model(Snapshot("pointers", None, files), request.model.config, lambda name: tmp_path / name)
    with pytest.raises(ReleaseError, match=r"model pointers: model\.safetensors is no safetensors file") as caught:
        settle_weights(replace(request, model=model), [manifest], store, no_job)
    assert caught.value.hint == "get the model's files again"
