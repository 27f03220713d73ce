from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.frontend import FrontEnd, front_end_faults
from neuronbuild.toolchain.interpreter import Installed
from neuronbuild.toolchain.setup import Setup
from tests.doubles.front_end import PACKAGES, FakeFrontEnd

FIT = Installed("python", "3.11.7", PACKAGES)


def problems(**packages) -> list[str]:
    return [fault.problem for fault in front_end_faults(replace(FIT, packages={**PACKAGES, **packages}))]


def test_an_environment_with_both_in_one_version_is_fit():
    assert problems() == []


def test_a_torch_and_a_torch_xla_of_two_versions_dont_fit_each_other():
    assert problems(torch="2.8.0") == ["torch 2.8.0 and torch-xla 2.9.0 don't fit each other"]
    (fault,) = front_end_faults(replace(FIT, packages={**PACKAGES, "torch": "2.13.0"}))
    assert fault.advice == "pip install torch==2.9.0 torch_xla==2.9.0"


def test_what_is_missing_is_named():
    lacking = {name: version for name, version in PACKAGES.items() if name != "torch-xla"}
    assert [fault.problem for fault in front_end_faults(replace(FIT, packages=lacking))] == ["torch-xla is not installed"]


def test_where_there_is_none_the_way_to_one_is_told(tmp_path):
    with pytest.raises(ToolchainError, match="there is no environment with torch-xla") as caught:
        FrontEnd(Setup(tmp_path), tmp_path / "front-end/bin/python").check()
    assert "neuronbuild preflight --setup" in caught.value.hint


def test_one_that_a_workspace_brings_along_takes_consent(tmp_path):
    place = FakeFrontEnd(tmp_path / "front")
    setup = Setup(tmp_path, python=str(place.python), refused=tmp_path)
    with pytest.raises(ToolchainError, match="nobody has agreed to run it"):
        FrontEnd(setup, tmp_path / "own").check()


def test_an_unfit_one_is_told_with_its_path(tmp_path):
    place = FakeFrontEnd(tmp_path / "front")
    place.say(packages={**PACKAGES, "torch": "2.8.0"})
    with pytest.raises(ToolchainError, match="don't fit each other") as caught:
        FrontEnd(Setup(tmp_path, python=str(place.python)), tmp_path / "own").check()
    assert str(place.python) in str(caught.value)


def test_its_worker_lowers_on_the_cpu_and_hears_of_no_compiler_flags(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURON_CC_FLAGS", "--hum")
    monkeypatch.setenv("XLA_FLAGS", "--hum")
    place = FakeFrontEnd(tmp_path / "front")
    command = FrontEnd(Setup(tmp_path, python=str(place.python)), tmp_path / "own").worker()
    assert command.environment["PJRT_DEVICE"] == "CPU"
    assert not {"NEURON_CC_FLAGS", "XLA_FLAGS"} & set(command.environment)
