from __future__ import annotations

import doctest

import pytest

from neuronbuild import platforms
from neuronbuild.platforms import NEURON, PLATFORMS, core_memory, generation_of, not_exported
from neuronbuild.runtime.sessions import SESSIONS
from neuronbuild.sdks import SDKS, minor_of
from neuronbuild.toolchain.registry import open_toolchain
from neuronbuild.toolchain.setup import Setup


def test_the_examples_run():
    assert doctest.testmod(platforms).failed == 0


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_row_names_toolchains_and_a_session_that_there_are(name, tmp_path):
    row = PLATFORMS[name]
    for toolchain in filter(None, (row.toolchain, row.exporter)):
        assert open_toolchain(toolchain, name, Setup(scratch=tmp_path)).name == toolchain
    assert row.session in SESSIONS


@pytest.mark.parametrize("name", NEURON)
def test_every_neuron_platform_has_cores_and_a_release_that_compiles_for_it(name):
    row = NEURON[name]
    assert row.memory > 0
    assert any(minor_of(sdk.neuronx_cc) >= row.first_compiler for sdk in SDKS.values())


def test_a_core_of_two_has_the_memory_of_both():
    assert core_memory("trn2", 2) == 2 * core_memory("trn2", 1) == 24 << 30


def test_platforms_of_one_generation_run_each_others_code():
    assert generation_of("inf2") == generation_of("trn1") != generation_of("trn2")


@pytest.mark.parametrize("name", ["cpu", "unknown", None])
def test_what_has_no_neuron_cores_has_no_generation(name):
    assert generation_of(name) is None


def test_optimum_neuron_exports_for_neither_the_cpu_nor_the_first_generation():
    assert not_exported(tuple(PLATFORMS)) == ["inf1", "cpu"]
