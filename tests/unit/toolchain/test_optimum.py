from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild import sdks
from neuronbuild.artifact.action import ModelPart, document_of
from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.interpreter import Installed
from neuronbuild.toolchain.optimum import Optimum
from neuronbuild.toolchain.setup import Setup
from tests.unit.toolchain.test_flags import PLAIN
from tests.unit.toolchain.test_neuronx import LLAMA

T5 = ModelPart("AutoModelForSeq2SeqLM", {"model_type": "t5"})
GEMMA3 = replace(LLAMA, config={"model_type": "gemma3_text"})
BEAMS = Shape.of({"num_beams": 2}, ("num_beams",))
TWO = replace(PLAIN, platform="trn1", num_cores=2)


@pytest.fixture
def optimum(tmp_path):
    return Optimum(Setup(tmp_path, sdk="2.26.1"), "trn1")


def test_its_arguments_and_cores_are_what_is_keyed(optimum):
    said = optimum.options(TWO, LLAMA)
    assert set(document_of(said)) == {"arguments", "num_cores"}
    assert (said.arguments[:2], said.num_cores) == (("--task", "text-generation"), 2)


def test_its_own_version_decides_what_it_can(optimum, tmp_path):
    with pytest.raises(OptionError, match=r"optimum-neuron 0\.4\.5 doesn't export gemma3_text"):
        optimum.options(TWO, GEMMA3)
    later = Optimum(Setup(tmp_path, sdk="2.26.1", versions={"optimum-neuron": "0.4.7"}), "trn1")
    assert later.options(TWO, GEMMA3).num_cores == 2
    assert [each.misfit(TWO, BEAMS) is None for each in (optimum, later)] == [False, True]


def test_a_release_that_it_isnt_made_for_is_told_with_the_one_that_it_is(tmp_path):
    with pytest.raises(ToolchainError, match=r"no optimum-neuron is made for SDK 2\.31\.0") as caught:
        Optimum(Setup(tmp_path, sdk="2.31.0"), "trn1").fingerprint("trn1")
    assert "2.26.1" in caught.value.hint


def test_its_own_version_is_in_the_fingerprint(optimum):
    found = optimum.fingerprint("trn1").versions
    assert (found["optimum-neuron"], found["neuronx-distributed"]) == ("0.4.5", "0.15.22404")


def test_one_more_row_makes_another_release_known(tmp_path, monkeypatch):
    newer = sdks.Exporter("9.9.9", "2.31.0", "0.19.28492", "2.9.1", "4.57.1", "0.36.0", "0.18.0")
    monkeypatch.setitem(sdks.EXPORTERS, newer.sdk, newer)
    versions = Optimum(Setup(tmp_path, sdk="2.31.0"), "trn1").fingerprint("trn1").versions
    assert (versions["optimum-neuron"], versions["torch"], versions["torch-neuronx"]) == ("9.9.9", "2.9.1", "2.9.0.2.15.32035")
    assert versions["neuronx-distributed"] == "0.19.28492"


def test_an_environment_without_it_is_told(optimum):
    assert "optimum-neuron is not installed" in [fault.problem for fault in optimum.faults(Installed("python"))]


def test_it_is_never_run_by_us(optimum):
    assert not optimum.runs_here("trn1")


def test_an_empty_file_is_a_fault(optimum, tmp_path):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/model.pt").touch()
    assert "an empty file: exported/model.pt" in optimum.fault(tmp_path, ["exported/model.pt"], {})


SD = ModelPart("AutoPipelineForText2Image", {"model_type": "StableDiffusionPipeline"}, lora=(), controlnets=0)
ONE = replace(TWO, num_cores=1)


def test_the_libraries_that_load_a_pipeline_are_in_its_key(optimum, tmp_path):
    assert optimum.options(ONE, SD).libraries == {"diffusers": "0.35.2", "peft": "0.17.0"}
    other = Optimum(Setup(tmp_path, sdk="2.26.1", versions={"diffusers": "0.35.1"}), "trn1")
    assert other.options(ONE, SD).libraries["diffusers"] == "0.35.1"
    assert optimum.options(ONE, T5).libraries is None
