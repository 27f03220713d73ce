from __future__ import annotations

import pytest

from neuronbuild.api import lowering
from neuronbuild.api.lowering import Lowerings, read_lowering
from neuronbuild.artifact.action import CompilerPart
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.lowering import Lowering
from tests.doubles.front_end import SOUND
from tests.unit.artifact.actions import compile_action

BAKED = {"from": "weights", "dtype": "float32", "shape": [2, 48, 16]}


def read(weights: object = None, platform: str = "inf2", **said) -> Lowering:
    action = compile_action(
        weights=weights or {"model.safetensors": "5" * 64},
        compiler=CompilerPart(arguments=("--lnc=2",) if platform == "trn2" else ()),
        toolchain=Fingerprint("neuronx", platform, {}),
    )
    return read_lowering({**SOUND, **said}, action)


def test_a_sound_graph_has_no_problems_and_its_figures():
    found = read()
    assert (found.problems, found.notes) == ((), ())
    assert (found.difference, found.parameters, found.operators) == (5e-7, 1000, {"dot": 18, "add": 39})


def test_what_an_example_leaves_in_a_graph_is_a_problem():
    assert read(baked=[{**BAKED, "from": "example"}]).problems == (
        "a tensor that follows from an example's values is a constant of the graph (float32 (2, 48, 16))",
    )


def test_what_weights_leave_in_it_is_one_only_where_they_lie_apart():
    said = "a tensor that follows from weights is a constant of the graph (float32 (2, 48, 16))"
    assert (read(baked=[BAKED]).problems, read(baked=[BAKED]).notes) == ((), (said,))
    assert read("separate", baked=[BAKED]).problems == (said,)


def test_an_operator_without_a_lowering_is_told_with_its_module():
    fallen = [{"operator": "aten::im2col", "module": "model.encoder.layer.0"}, {"operator": "aten::hum", "module": ""}]
    assert read(fallen=fallen).problems == (
        "operator aten::im2col has no lowering, in model.encoder.layer.0",
        "operator aten::hum has no lowering",
    )


def test_a_graph_that_answers_otherwise_than_eager_pytorch_is_told():
    found = read(differs="output logits differs by 0.9", check={"max_abs_error": {}, "scale": {}})
    assert (found.problems, found.difference) == (("output logits differs by 0.9",), None)


def test_a_graph_that_values_shape_is_told():
    assert read(same=False).problems == ("two examples give two graphs: values of the inputs shape it",)


@pytest.mark.parametrize(("platform", "gib"), [("inf2", 16), ("trn1", 16), ("trn2", 24)])
def test_more_than_a_core_holds_is_told(platform, gib):
    assert read(platform=platform, weight_bytes=gib << 30).problems == ()
    (problem,) = read(platform=platform, weight_bytes=gib << 30, cache_bytes=1 << 30).problems
    assert problem == f"weights and cache take {gib + 1}.0 GiB, and a core of {platform} has {gib} GiB"


def test_constants_of_64_bits_are_worth_a_note():
    assert read(wide=1).notes == ("1 constant of 64 bits",)
    assert read(wide=2).notes == ("2 constants of 64 bits",)


def test_a_record_is_remembered(tmp_path):
    Lowerings(tmp_path).put("key", read(wide=1))
    assert Lowerings(tmp_path).get("key") == read(wide=1)
    assert Lowerings(tmp_path).get("other") is None


def test_one_that_another_version_of_the_worker_lowered_is_forgotten(tmp_path, monkeypatch):
    Lowerings(tmp_path).put("key", read())
    monkeypatch.setattr(lowering, "_worker_digest", lambda: "another")
    assert Lowerings(tmp_path).get("key") is None


@pytest.mark.parametrize("text", ["{}", "[", '{"key": ["", {"problems": 3}]}', '{"key": 3}'])
def test_a_damaged_memory_is_none(tmp_path, text):
    (tmp_path / lowering.FILE).write_text(text)
    assert Lowerings(tmp_path).get("key") is None
