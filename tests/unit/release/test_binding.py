from __future__ import annotations

from neuronbuild.artifact.release_index import Binding
from neuronbuild.artifact.signature import ConstantSpec
from neuronbuild.release.binding import match_constants

FILE = "model.safetensors"


def constant(*names: str, shape: tuple[int, ...] = (2,), dtype: str = "float32", in_artifact: bool = False) -> ConstantSpec:
    return ConstantSpec(f"model.{names[0]}", dtype, shape, (1,) * len(shape), names, in_artifact)


def match(spec: ConstantSpec, *tensors: str, dtype: str = "float32", shape: tuple[int, ...] = (2,)):
    return match_constants([spec], {FILE: dict.fromkeys(tensors, (dtype, shape))}, "bert")


def test_a_constant_is_bound_to_the_tensor_of_its_name():
    found = match(constant("bert.a.weight"), "x", "bert.a.weight", "y")
    assert found.bound == {"model.bert.a.weight": Binding(FILE, "bert.a.weight")}
    assert found.unbound == {}


def test_the_base_models_prefix_may_be_there_or_not():
    assert match(constant("bert.a.weight"), "a.weight").bound == {"model.bert.a.weight": Binding(FILE, "a.weight")}
    assert match(constant("a.weight"), "bert.a.weight").bound == {"model.a.weight": Binding(FILE, "bert.a.weight")}


def test_the_own_name_wins_over_the_one_with_another_prefix():
    assert match(constant("a.weight"), "bert.a.weight", "a.weight").bound["model.a.weight"].tensor == "a.weight"


def test_a_prefix_is_only_taken_off_as_a_whole_word():
    assert match(constant("bertha.weight"), "ha.weight").unbound == {"model.bertha.weight": "bertha.weight"}


def test_layer_norms_of_old_checkpoints_are_found():
    found = match(constant("bert.ln.weight"), "bert.ln.gamma"), match(constant("bert.ln.bias"), "ln.beta")
    assert [list(one.bound.values()) for one in found] == [[Binding(FILE, "bert.ln.gamma")], [Binding(FILE, "ln.beta")]]


def test_tied_weights_are_found_under_any_of_their_names():
    tied = ("cls.decoder.weight", "bert.words.weight")
    for held in (*tied, "words.weight"):
        assert match(constant(*tied), held).bound == {"model.cls.decoder.weight": Binding(FILE, held)}


def test_two_constants_of_one_tensor_are_bound_to_one_place():
    tied = ("cls.decoder.weight", "bert.words.weight")
    both = [constant(*tied), constant(*reversed(tied))]
    found = match_constants(both, {FILE: {"bert.words.weight": ("float32", (2,))}}, "bert")
    assert set(found.bound) == {"model.cls.decoder.weight", "model.bert.words.weight"}
    assert set(found.bound.values()) == {Binding(FILE, "bert.words.weight")}


def test_another_dtype_or_shape_is_not_bound():
    spec = constant("a.weight")
    assert match(spec, "a.weight", dtype="float16").unbound == {"model.a.weight": "a.weight"}
    assert match(spec, "a.weight", shape=(3,)).unbound == {"model.a.weight": "a.weight"}
    assert match(spec, "a.weight", shape=(2, 1)).unbound == {"model.a.weight": "a.weight"}
    assert match(spec).unbound == {"model.a.weight": "a.weight"}


def test_constants_that_follow_from_the_config_are_not_looked_for():
    found = match(constant("position_ids", in_artifact=True), "position_ids")
    assert (found.bound, found.unbound) == ({}, {})


def test_shards_are_each_found_in_their_file():
    headers = {f"model-{i}.safetensors": {f"{name}.weight": ("float32", (2,))} for i, name in enumerate("ab")}
    found = match_constants([constant("a.weight"), constant("b.weight")], headers, "")
    assert {name: binding.file for name, binding in found.bound.items()} == {
        "model.a.weight": "model-0.safetensors",
        "model.b.weight": "model-1.safetensors",
    }


def test_a_part_in_a_folder_of_its_own_is_named_after_it():
    names = ("2_Dense.linear.weight", "linear.weight", "3_Dense.linear.weight")
    headers = {f"{folder}model.safetensors": {"linear.weight": ("float32", (2,))} for folder in ("2_Dense/", "", "3_Dense/")}
    found = match_constants([constant(name) for name in names], headers, "bert")
    assert [found.bound[f"model.{name}"] for name in names] == [Binding(file, "linear.weight") for file in headers]
