"""On doubles: what they are confirmed to do says nothing about the real ones."""

from __future__ import annotations

import pytest

from neuronbuild.api import Settings
from neuronbuild.api.selftest import UNUSED, selftest
from neuronbuild.errors import ToolchainError
from neuronbuild.recipe.schema import Interpreter
from tests.doubles.neuron_sdk import install_inf1, install_sdk


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    root = tmp_path_factory.mktemp("selftest")
    sdk, old = install_sdk(root / "sdk"), install_inf1(root / "old")
    places = {"neuronx": Interpreter(python=str(sdk.python)), "neuron": Interpreter(python=str(old.python))}
    settings = Settings(scratch=root / "scratch", interpreters=places)
    return selftest(settings, ["trn2", "inf1"])


def test_every_contract_is_accounted_for(tested):
    assert {each.contract for each in tested} >= {"K1", "K2", "K3", "K4", "K5", "K9", *UNUSED}


def test_nothing_is_refuted_on_doubles_that_are_as_the_documents_say(tested):
    assert [each for each in tested if each.state == "refuted"] == []


def test_what_takes_a_device_is_unknown_without_one(tested):
    assert {each.platform for each in tested if each.state == "unknown"} == {"trn2", "inf1"}


def test_the_neffs_header_is_looked_at(tested):
    found = [each for each in tested if "NEFF" in each.assumed and each.platform == "trn2" and each.contract == "K5"]
    assert found[0].detail == "version 2.0, 2 physical cores a core"


def test_an_environment_that_isnt_there_is_told(tmp_path):
    with pytest.raises(ToolchainError, match="no Neuron SDK here"):
        selftest(Settings(scratch=tmp_path), ["inf2"])
