from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild import sdks
from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.interpreter import Installed
from neuronbuild.toolchain.optimum import Optimum
from neuronbuild.toolchain.setup import Setup
from tests.unit.toolchain.test_flags import PLAIN
from tests.unit.toolchain.test_neuronx import LLAMA

T5 = {"config": {"model_type": "t5"}, "auto_class": "AutoModelForSeq2SeqLM"}
TWO = replace(PLAIN, platform="trn1", num_cores=2)


@pytest.fixture
def optimum(tmp_path):
    return Optimum(Setup(tmp_path, sdk="2.26.1"), "trn1")


def test_a_decoders_arguments(optimum):
    assert optimum.options(TWO, LLAMA)["arguments"] == [
        "--task", "text-generation", "--instance_type", "trn1", "--tensor_parallel_size", "2", "--torch_dtype", "float32",
    ]  # fmt: skip


def test_weights_are_asked_in_since_its_command_leaves_them_out(optimum):
    said = optimum.options(replace(TWO, num_cores=1, auto_cast="matmul"), T5)["arguments"]
    assert said[-5:] == ["bf16", "--auto_cast", "matmul", "-O2", "--inline-weights-neff"]


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


SD = {
    "config": {"model_type": "StableDiffusionPipeline"},
    "auto_class": "AutoPipelineForText2Image",
    "lora": [],
    "controlnets": 0,
}
FLUX = {**SD, "config": {"model_type": "FluxPipeline"}}
LORA = {"lora": [{"weights": "a.safetensors", "scale": 0.5}, {"weights": "b.bin", "scale": 1.0}]}
ONE = replace(TWO, num_cores=1)


def test_every_lora_gets_a_file_a_name_and_a_scale(optimum):
    said = optimum.options(ONE, {**SD, **LORA, "controlnets": 1})["arguments"]
    assert said[said.index("--lora_model_ids") :] == [
        "--lora_model_ids", "model/lora_0", "model/lora_1", "--lora_weight_names", "a.safetensors", "b.bin",
        "--lora_adapter_names", "lora_0", "lora_1", "--lora_scales", "0.5", "1.0", "--controlnet_ids", "model/controlnet_0",
    ]  # fmt: skip


def test_the_libraries_that_load_a_pipeline_are_in_its_key(optimum, tmp_path):
    assert optimum.options(ONE, SD)["libraries"] == {"diffusers": "0.35.2", "peft": "0.17.0"}
    other = Optimum(Setup(tmp_path, sdk="2.26.1", versions={"diffusers": "0.35.1"}), "trn1")
    assert other.options(ONE, SD)["libraries"]["diffusers"] == "0.35.1"
    assert "libraries" not in optimum.options(ONE, T5)


def test_pipelines_may_split_larger_batches(optimum):
    assert "--dynamic-batch-size" in optimum.options(replace(ONE, dynamic_batch_size=True), SD)["arguments"]


@pytest.mark.parametrize(
    ("options", "model", "key"),
    [
        (TWO, SD, ("num_cores",)),
        (TWO, {**FLUX, **LORA}, ("lora",)),
        (replace(ONE, dtype="bfloat16"), {**SD, "controlnets": 1}, ("dtype",)),
        (replace(ONE, dynamic_batch_size=True), T5, ("dynamic_batch_size",)),
    ],
)
def test_what_it_would_drop_is_refused(optimum, options, model, key):
    with pytest.raises(OptionError) as caught:
        optimum.options(options, model)
    assert caught.value.keys == key


def test_a_pipeline_that_it_shards_goes_over_cores(optimum):
    assert optimum.options(TWO, FLUX)["num_cores"] == 2
