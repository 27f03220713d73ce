from __future__ import annotations

import pytest

from neuronbuild.artifact.codec import DecodeError
from neuronbuild.artifact.release_index import Bucket
from neuronbuild.errors import ReleaseError
from neuronbuild.release.check import check_bucket
from neuronbuild.release.weights import settle_weights
from tests.flows.stores import copy_store, manifest, records
from tests.unit.release.requests import RecordingJob, failing_job, no_job, request_for

RECORD = {
    "kind": "real-weights",
    "reference": "eager",
    "max_abs_error": {"logits": 1e-7},
    "scale": {"logits": 2.0},
    "tolerance": 1e-4,
}


BUCKET = Bucket("forward", {}, "bucket", "0" * 64, file="bucket/model.pt2")


@pytest.fixture
def case(built, tmp_path):
    """What `check_bucket` is handed for `fill-mask`, with a store that remembers no check."""
    folder = copy_store(built.cache, tmp_path / "store")
    for key in records(folder):
        if manifest(folder, key)["action"]["kind"] == "check":
            (folder / f"v1/actions/{key[:2]}/{key}.json").unlink()
    request, store = request_for(built, "fill-mask", tmp_path, folder)
    artifact = store.lookup(request.keys[0])
    weights = settle_weights(request, [artifact], store, no_job)
    return request, artifact, weights, (tmp_path / "release", BUCKET), store


def test_a_check_is_done_once_and_then_remembered(case, tmp_path):
    job = RecordingJob(tmp_path, {"checks": [RECORD]})
    checks = check_bucket(*case, job)
    assert [(check.kind, check.max_abs_error) for check in checks] == [("real-weights", {"logits": 1e-7})]
    assert check_bucket(*case, no_job) == checks
    assert [asked["kind"] for asked in job.jobs] == ["check"]


def test_a_check_that_fails_is_not_remembered(case):
    for _ in range(2):
        with pytest.raises(ReleaseError, match="the check failed"):
            check_bucket(*case, failing_job)


def test_the_job_names_the_file_and_tensor_of_every_constant(case, tmp_path):
    job = RecordingJob(tmp_path, {"checks": [RECORD]})
    check_bucket(*case, job)
    _, artifact, weights, (release, bucket), _ = case
    folder = release / bucket.folder
    places = job.jobs[0]["bindings"]
    assert set(places) == {constant.name for constant in artifact.signature.constants}
    for constant in artifact.signature.constants:
        if constant.in_artifact:
            assert places[constant.name] == [str(folder / "constants.safetensors"), constant.name]
        else:
            binding = weights.bindings[constant.name]
            assert places[constant.name] == [str(release / binding.file), binding.tensor]
    assert job.jobs[0]["package"] == str(folder / "model.pt2")


@pytest.mark.parametrize("said", [{"checks": [{}]}, {"checks": 3}, {"checks": [{**RECORD, "tolerance": "much"}]}])
def test_an_answer_that_is_no_record_is_refused(case, tmp_path, said):
    with pytest.raises(DecodeError):
        check_bucket(*case, RecordingJob(tmp_path, said))
