from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest

from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.interpreter import Installed
from neuronbuild.toolchain.neuron import FILE, Neuron, arguments
from neuronbuild.toolchain.setup import Setup
from tests.unit.toolchain.test_flags import PLAIN
from tests.unit.toolchain.test_neuronx import BERT, LLAMA

INF1 = replace(PLAIN, platform="inf1")
GOOD = Installed(
    "python", "3.10.12", {"torch-neuron": "1.13.1.2.11.13.0", "neuron-cc": "1.24.0.0", "torch": "1.13.1"}, {"neuron-cc": "1"}
)


@pytest.fixture
def neuron(tmp_path):
    return Neuron(Setup(tmp_path, sdk="2.31.0"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["--fast-math", "none"]),
        ({"auto_cast": "matmul"}, ["--fast-math", "fp32-cast-matmult-bf16"]),
        ({"auto_cast": "matmul", "auto_cast_type": "fp16"}, ["--fast-math", "fp32-cast-matmult-fp16"]),
        ({"auto_cast": "all"}, ["--fast-math", "all"]),
        ({"auto_cast": "all", "auto_cast_type": "fp16"}, ["--fast-math", "fp32-cast-all-fp16"]),
        ({"auto_cast": "all", "auto_cast_type": "tf32"}, ["--fast-math", "fp32-cast-all-tf32"]),
        ({"auto_cast": "matmul", "auto_cast_type": "tf32"}, ["--fast-math", "fp32-cast-matmult-tf32"]),
        ({"num_cores": 4}, ["--fast-math", "none", "--neuroncore-pipeline-cores", "4"]),
        ({"extra_args": ("--enable-saturate-infinity",)}, ["--fast-math", "none", "--enable-saturate-infinity"]),
    ],
)
def test_casts_are_fast_math(changes, words):
    assert arguments(replace(INF1, **changes)) == words


def test_it_has_no_optlevel(neuron):
    with pytest.raises(OptionError, match="no levels of optimization") as caught:
        neuron.options(replace(INF1, optlevel=3), BERT)
    assert caught.value.keys == ("compiler", "optlevel")


@pytest.mark.parametrize(
    ("changes", "model", "key", "message"),
    [
        ({"auto_cast": "all", "auto_cast_type": "fp8_e4m3"}, BERT, ("compiler", "auto_cast_type"), "use bf16 or fp16 or tf32"),
        ({"extra_args": ("--target=inf1",)}, BERT, ("compiler", "extra_args"), "can't be given"),
        ({"extra_args": ("--auto-cast=all",)}, BERT, ("compiler", "extra_args"), "can't be given"),
        ({"weights": "separate"}, BERT, ("weights",), "use `weights: inline`"),
        ({"num_cores": 5}, BERT, ("num_cores",), "has 4 cores"),
        ({}, LLAMA, ("platforms",), "isn't generated on inf1"),
    ],
)
def test_what_the_first_generation_cant_do_is_told(neuron, changes, model, key, message):
    with pytest.raises(OptionError, match=message) as caught:
        neuron.options(replace(INF1, **changes), model)
    assert caught.value.keys == key


def test_its_packages_are_the_same_in_every_release(tmp_path):
    prints = [Neuron(Setup(tmp_path, sdk=sdk)).fingerprint("inf1") for sdk in ("2.31.0", "2.22.0")]
    assert prints[0] == prints[1]


def test_a_sound_environment_has_no_faults(neuron):
    assert neuron.faults(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"python": "3.11.2"}, "Python is 3.11.2"),
        ({"packages": {**GOOD.packages, "torch": "2.9.0"}}, "torch is 2.9.0"),
        ({"packages": {**GOOD.packages, "torch-neuron": "1.0"}}, "torch-neuron is the empty package from PyPI"),
        ({"packages": {}}, "torch-neuron is not installed"),
        ({"compilers": {}}, "neuron-cc is not on PATH"),
    ],
)
def test_what_is_wrong_with_an_environment_is_told(neuron, changes, problem):
    faults = neuron.faults(replace(GOOD, **changes))
    assert any(problem in fault.problem for fault in faults)
    assert all(fault.advice for fault in faults)


def test_a_file_must_be_there_and_be_whole(neuron, tmp_path):
    assert "no usable" in neuron.fault(tmp_path, [FILE], {})
    with zipfile.ZipFile(tmp_path / FILE, "w") as archive:
        archive.writestr("model/code", "something")
    assert neuron.fault(tmp_path, [FILE], {}) is None
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:20])
    assert "damaged archive" in neuron.fault(tmp_path, [FILE], {})
