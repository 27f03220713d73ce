from __future__ import annotations

import pytest
import torch

from neuronbuild.worker import aot, graph, inductor
from neuronbuild.worker.errors import UserError
from tests.unit.worker.actions import blob, make_action, manifests


def test_every_artifact_was_checked_with_other_weights_than_it_was_traced_with(built):
    for recipe, made in manifests(built).items():
        record, *further = made["checks"]
        assert record["kind"] == "random-weights", recipe
        assert [check["kind"] for check in further] in ([], ["padding"]), recipe
        for name, error in record["max_abs_error"].items():
            assert 0 <= error <= record["tolerance"] * record["scale"][name], recipe


@pytest.mark.parametrize(
    ("recipe", "tolerance"), [("fill-mask", 1e-4), ("quick", 1e-4), ("half", 2e-2), ("cast-matmul", 2e-1), ("cast-all", 2e-1)]
)
def test_the_tolerance_is_that_of_the_lowest_precision(built, recipe, tolerance):
    assert manifests(built)[recipe]["checks"][0]["tolerance"] == tolerance


def test_constants_are_told_with_all_names_that_a_checkpoint_may_use(built):
    constants = {one["name"]: one for one in manifests(built)["fill-mask"]["signature"]["constants"]}
    tied = {"bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"}
    words = [one for one in constants.values() if set(one["tied"]) & tied]
    assert words
    assert all(set(one["tied"]) == tied for one in words)
    assert all(one["stride"] == [32, 1] for one in words)


def test_constants_of_a_lower_precision_are_told_as_such(built):
    for recipe, dtype in (("half", "float16"), ("cast-all", "bfloat16"), ("cast-matmul", "float32")):
        weights = [one for one in manifests(built)[recipe]["signature"]["constants"] if not one["in_artifact"]]
        assert {one["dtype"] for one in weights} == {dtype}


def test_a_constant_that_the_model_has_not_is_refused(built):
    package = str(blob(built, manifests(built)["fill-mask"], "model.pt2"))
    action = make_action("text-classification")
    module = graph.Graph(graph.make_model(action, torch.float32), action)
    with pytest.raises(UserError, match=r"asks for a constant .* that the model has not"):
        inductor.describe_constants(module, {}, package)


def test_all_names_of_a_tensor_are_known():
    action = make_action("fill-mask")
    found = graph.all_constants(graph.Graph(graph.make_model(action, torch.float32), action))
    one, other = found["model.cls.predictions.decoder.weight"], found["model.bert.embeddings.word_embeddings.weight"]
    assert one.data_ptr() == other.data_ptr()
    assert "model.bert.embeddings.position_ids" in found


@pytest.mark.parametrize(
    ("compiler", "precision"),
    [
        ({}, torch.float32),
        ({"auto_cast": "matmul", "auto_cast_type": "fp16"}, torch.float16),
        ({"auto_cast": "all", "auto_cast_type": "bf16"}, torch.bfloat16),
    ],
)
def test_the_precision_is_the_lowest_that_the_graph_computes_in(compiler, precision):
    assert inductor.precision(make_action(**compiler)) is precision


@pytest.mark.parametrize("place", ["/home/me/.cache", "/home/mé/c-ä_che/1.0+cpu", "/home/me/@x=1,2"])
def test_most_paths_are_fine(place):
    aot.refuse_unquotable(place)


@pytest.mark.parametrize("place", ["/home/my cache", "/home/my\tcache", "/home/o'neill", '/home/"x"', "/home/a\\b"])
def test_a_path_that_g_plus_plus_would_get_in_pieces_is_told_before_it_is_called(place, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", place)
    with pytest.raises(UserError, match="white space or quotes in the path"):
        inductor.compile_action({"action": make_action(), "folder": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
