from __future__ import annotations

import pytest
import torch

from neuronbuild.worker import check
from neuronbuild.worker.serve import UserError
from tests.flows.checkpoints import copy_model, train
from tests.unit.runtime.releases import read_index, read_manifest
from tests.unit.worker.actions import manifests

RECIPE = "text-classification"


@pytest.fixture
def job(built, models):
    """The check of a release with the weights that it holds."""
    release = built.releases[RECIPE]
    index, bucket = read_index(release), release / read_index(release).buckets[0].folder
    bindings = {name: [str(release / binding.file), binding.tensor] for name, binding in index.bindings.items()}
    for constant in read_manifest(release).signature.constants:
        if constant.in_artifact:
            bindings[constant.name] = [str(bucket / "constants.safetensors"), constant.name]
    return {
        "action": manifests(built)[RECIPE]["action"],
        "package": str(bucket / "model.pt2"),
        "bindings": bindings,
        "omitted": [],
        "tied": [],
        "model": str(models[RECIPE]),
        "identity": "one",
    }


def test_the_real_weights_give_what_eager_pytorch_gives(job):
    [record] = check.check_release(job)["checks"]
    assert (record["kind"], record["tolerance"]) == ("real-weights", 1e-4)
    assert record["max_abs_error"]["logits"] < 1e-5


def test_another_models_weights_are_noticed(job, models, tmp_path):
    other = copy_model(models[RECIPE], tmp_path / "other", train)
    with pytest.raises(UserError, match="output logits differs from eager PyTorch"):
        check.check_release({**job, "model": str(other), "identity": "other"})


def test_one_constant_bound_to_another_tensor_is_noticed(job):
    names = sorted(name for name, (_, tensor) in job["bindings"].items() if tensor.endswith("attention.self.value.weight"))
    swapped = {names[0]: job["bindings"][names[1]], names[1]: job["bindings"][names[0]]}
    with pytest.raises(UserError, match="output logits differs from eager PyTorch"):
        check.check_release({**job, "bindings": {**job["bindings"], **swapped}})


def test_an_output_that_is_left_out_is_not_compared(job):
    [record] = check.check_release({**job, "omitted": ["logits"]})["checks"]
    assert record["max_abs_error"] == {}


def test_the_model_is_loaded_once_for_all_buckets_of_a_release(job):
    check.check_release(job)
    loaded = dict(check._LOADED)
    check.check_release(job)
    assert list(check._LOADED.items()) == list(loaded.items())
    check.check_release({**job, "identity": "two"})
    assert len(check._LOADED) == 1
    assert list(check._LOADED) != list(loaded)


def test_names_that_the_config_ties_and_the_checkpoint_doesnt_are_told(models, tmp_path):
    word = "bert.embeddings.word_embeddings.weight"
    decoder = "cls.predictions.decoder.weight"
    torn = copy_model(models["fill-mask"], tmp_path / "torn", lambda tensors: {**tensors, decoder: tensors[word] + 1})
    whole = copy_model(models["fill-mask"], tmp_path / "whole", lambda tensors: {**tensors, decoder: tensors[word].clone()})
    tied = [[word, decoder]]
    assert "ties" in check._cause({"model": str(torn), "tied": tied}, {})
    assert word in check._cause({"model": str(torn), "tied": tied}, {})
    assert check._cause({"model": str(whole), "tied": tied}, {}) == ""
    assert check._cause({"model": str(models["fill-mask"]), "tied": tied}, {}) == ""


def test_weights_that_are_no_numbers_are_told():
    constants = {"a": torch.ones(2), "b": torch.tensor([1.0, torch.nan]), "c": torch.tensor([torch.inf])}
    assert check._cause({"model": "", "tied": []}, constants) == "; the weights hold NaN or infinite numbers: b, c"
