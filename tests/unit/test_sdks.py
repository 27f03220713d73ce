from __future__ import annotations

import re

import pytest

from neuronbuild.host import GENERATIONS
from neuronbuild.sdks import FIRST_COMPILER, NXD, OPTIMUM, SDKS, minor_of, release_of, releases_like, torch_of


@pytest.mark.parametrize("release", SDKS)
def test_every_release_has_whole_versions(release):
    sdk = SDKS[release]
    assert sdk.release == release
    assert re.fullmatch(r"2\.\d+\.\d+\.\d+", sdk.neuronx_cc)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+\.\d+\.\d+\.\d+(\.\d+)?", version) for version in sdk.torch_neuronx)


def test_releases_stand_the_newest_first():
    numbers = [tuple(map(int, release.split("."))) for release in SDKS]
    assert numbers == sorted(numbers, reverse=True)
    minors = [minor_of(sdk.neuronx_cc) for sdk in SDKS.values()]
    assert minors == sorted(minors, reverse=True)


def test_the_compilers_minor_version_is_five_behind_the_releases():
    assert {int(sdk.release.split(".")[1]) - minor_of(sdk.neuronx_cc) for sdk in SDKS.values()} == {5}


def test_one_release_alone_has_nothing_that_traces():
    assert [release for release, sdk in SDKS.items() if not sdk.torch_neuronx] == ["2.32.0"]


@pytest.mark.parametrize(
    ("framework", "torch"), [("2.9.0.2.15.32035", "2.9.0"), ("2.5.1.2.6.0", "2.5.1"), ("1.13.1.1.17.0", "1.13.1")]
)
def test_a_framework_package_names_its_torch(framework, torch):
    assert torch_of(framework) == torch


def test_every_platform_with_a_compiler_here_has_cores():
    assert set(FIRST_COMPILER) | {"inf1"} == set(GENERATIONS)


def test_what_optimum_neuron_needs_is_known_for_each_of_its_releases():
    assert set(OPTIMUM) == set(NXD) <= set(SDKS)


def test_a_release_is_known_by_its_versions():
    for sdk in SDKS.values():
        for framework in sdk.torch_neuronx:
            found = release_of({"neuronx-cc": f"{sdk.neuronx_cc}+build", "torch-neuronx": framework})
            assert SDKS[found].neuronx_cc == sdk.neuronx_cc
            assert framework in SDKS[found].torch_neuronx
    assert release_of({"neuronx-cc": "2.26.6360.0", "torch-neuronx": "2.9.0.2.15.32035"}) == "2.31.0"


def test_versions_of_no_release_have_no_name():
    assert release_of({"torch": "2.13.0"}) is None
    assert release_of({"neuronx-cc": "9.9", "torch-neuronx": "2.9.0.2.15.32035"}) is None


@pytest.mark.parametrize(
    ("text", "releases"),
    [("2.31", '"2.31.1" or "2.31.0"'), ("2.30", '"2.30.0"'), ("2.30.0", '"2.30.0"'), ("2.", None), ("3", None), ("", None)],
)
def test_releases_that_a_text_may_mean_begin_with_it(text, releases):
    assert releases_like(text) == (releases or " or ".join(f'"{release}"' for release in SDKS))
