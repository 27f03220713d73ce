from __future__ import annotations

import re

import pytest

from neuronbuild.sdks import (
    EXPORTERS,
    LAST_WITH_TRACE,
    LIBRARIES,
    SDKS,
    libneuronxla_of,
    minor_of,
    release_of,
    releases_like,
    releases_with,
    torch_of,
)


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


def test_an_exporter_is_made_for_a_release_that_is_known_and_the_newest_stands_first():
    assert set(EXPORTERS) <= set(SDKS)
    assert list(EXPORTERS) == [release for release in SDKS if release in EXPORTERS]
    assert LIBRARIES["0.4.5"] == {"diffusers": "0.35.2", "peft": "0.17.0"}


def test_an_exporters_torch_is_of_the_minor_version_that_its_framework_package_is_for():
    for release, exporter in EXPORTERS.items():
        assert torch_of(SDKS[release].torch_neuronx[0]).split(".")[:2] == exporter.torch.split(".")[:2]


def test_a_framework_package_keeps_the_libneuronxla_that_it_was_built_with():
    assert releases_with(LAST_WITH_TRACE) == ["2.33.0", "2.31.1", "2.31.0"]
    assert libneuronxla_of(LAST_WITH_TRACE) == libneuronxla_of(f"{LAST_WITH_TRACE}+de43f57c") == "2.2.17544.0"
    for sdk in SDKS.values():
        own = [framework for framework in sdk.torch_neuronx if framework != LAST_WITH_TRACE]
        assert {libneuronxla_of(framework) for framework in own} <= {sdk.libneuronxla}


def test_a_framework_package_of_no_release_has_none():
    assert releases_with("2.13.3.0.1") == []
    assert libneuronxla_of("2.13.3.0.1") is None


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
