from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.errors import ToolchainError
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


def test_an_environment_without_it_is_told(optimum):
    assert "optimum-neuron is not installed" in [fault.problem for fault in optimum.faults(Installed("python"))]


def test_it_is_never_run_by_us(optimum):
    assert not optimum.runs_here("trn1")


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_config_that_cant_be_read_is_a_fault(optimum, tmp_path, text):
    (tmp_path / "exported").mkdir()
    files = ["exported/neuron_config.json", "exported/model.pt"]
    for name in files:
        (tmp_path / name).write_text(text or "x")
    action = {
        "shape": {},
        "compiler": {"num_cores": 2},
        "toolchain": {"flags": {"target_override": "trn1"}},
        "dtype": "float32",
    }
    assert "can't be read" in optimum.fault(tmp_path, files, action)


def test_a_folder_in_parts_needs_both(optimum, tmp_path):
    files = [f"exported/{part}/{name}" for part in ("encoder", "decoder") for name in ("model.neuron", "config.json")]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({}))
    assert optimum.fault(tmp_path, files, {}) is None
    assert "decoder/model.neuron" in optimum.fault(tmp_path, files[:2], {})
