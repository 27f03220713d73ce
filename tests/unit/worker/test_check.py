from __future__ import annotations

import copy
import json

import pytest
import torch

from neuronbuild.digest import digest_file
from neuronbuild.worker import check, inductor
from neuronbuild.worker.errors import UserError
from tests.flows.checkpoints import copy_model, train
from tests.unit.runtime.releases import read_index

RECIPE = "text-classification"
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "original_max_position_embeddings": 16,
    "factor": 1.0,
    "short_factor": [1.0] * 8,
    "long_factor": [3.0] * 8,
}


def check_of(built, models, recipe: str, number: int = 0) -> dict:
    """The check of one bucket of a release with the weights that it holds."""
    release = built.releases[recipe]
    index, bucket = read_index(release), release / read_index(release).buckets[number].folder
    manifest = json.loads((bucket / "manifest.json").read_text())
    bindings = {name: [str(release / binding.file), binding.tensor] for name, binding in index.bindings.items()}
    for constant in manifest["signature"]["constants"]:
        if constant["in_artifact"]:
            bindings[constant["name"]] = [str(bucket / "constants.safetensors"), constant["name"]]
    return {
        "action": manifest["action"],
        "package": str(bucket / "model.pt2"),
        "sha256": digest_file(bucket / "model.pt2").sha256,
        "bindings": bindings,
        "omitted": [],
        "tied": [],
        "model": str(models[recipe]),
        "identity": "one",
    }


@pytest.fixture
def job(built, models):
    return check_of(built, models, RECIPE)


@pytest.mark.parametrize("number", [0, 1, 2], ids=["prefill of 8", "prefill of 32", "decode"])
def test_a_graph_that_is_wrong_at_high_positions_only_is_found(built, models, number):
    job = check_of(built, models, "text-generation", number)
    assert check.check_release(job, inductor)["checks"][0]["max_abs_error"]["logits"] < 1e-5
    other = copy.deepcopy(job["action"])  # the graph keeps the frequencies that this model has below position 16 only
    other["model"]["config"]["rope_parameters"] = LONGROPE
    with pytest.raises(UserError, match="differs from eager PyTorch"):
        check.check_release({**job, "action": other, "identity": "other"}, inductor)


def test_the_real_weights_give_what_eager_pytorch_gives(job):
    [record] = check.check_release(job, inductor)["checks"]
    assert (record["kind"], record["tolerance"]) == ("real-weights", 1e-4)
    assert record["max_abs_error"]["logits"] < 1e-5


def test_another_models_weights_are_noticed(job, models, tmp_path):
    other = copy_model(models[RECIPE], tmp_path / "other", train)
    with pytest.raises(UserError, match="output logits differs from eager PyTorch"):
        check.check_release({**job, "model": str(other), "identity": "other"}, inductor)


def test_one_constant_bound_to_another_tensor_is_noticed(job):
    names = sorted(name for name, (_, tensor) in job["bindings"].items() if tensor.endswith("attention.self.value.weight"))
    swapped = {names[0]: job["bindings"][names[1]], names[1]: job["bindings"][names[0]]}
    with pytest.raises(UserError, match="output logits differs from eager PyTorch"):
        check.check_release({**job, "bindings": {**job["bindings"], **swapped}}, inductor)


def test_an_output_that_is_left_out_is_not_compared(job):
    [record] = check.check_release({**job, "omitted": ["logits"]}, inductor)["checks"]
    assert record["max_abs_error"] == {}


def test_the_model_is_loaded_once_for_all_buckets_of_a_release(job):
    check.check_release(job, inductor)
    loaded = dict(check._LOADED)
    check.check_release(job, inductor)
    assert list(check._LOADED.items()) == list(loaded.items())
    check.check_release({**job, "identity": "two"}, inductor)
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
