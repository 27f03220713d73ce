"""On doubles of the SDK's environments."""

from __future__ import annotations

import pytest

from neuronbuild import host
from neuronbuild.errors import ToolchainError
from neuronbuild.sdks import LAST_WITH_TRACE, SDKS
from neuronbuild.toolchain.neuron import Neuron
from neuronbuild.toolchain.neuronx import Neuronx
from neuronbuild.toolchain.sdk import known_sdk, pick
from neuronbuild.toolchain.setup import Setup
from tests.doubles.neuron_sdk import install_sdk


@pytest.fixture
def sdk(tmp_path):
    return install_sdk(tmp_path / "sdk")


def opened(tmp_path, platform="inf2", **said) -> Neuronx:
    return Neuronx(Setup(tmp_path / "scratch", **said), platform)


def test_a_pinned_release_needs_no_environment(tmp_path):
    found = opened(tmp_path, sdk="2.31.0").fingerprint("inf2").versions
    assert (found["neuronx-cc"], found["torch"]) == ("2.26.6360.0", "2.9.0")


def test_a_platform_that_the_compiler_is_too_old_for_is_objected_to(tmp_path):
    old = opened(tmp_path, sdk=list(SDKS)[-1])
    assert old.objection("inf2") is None
    assert "doesn't compile for trn3" in old.objection("trn3").problem
    assert opened(tmp_path, sdk=next(iter(SDKS))).objection("trn3") is None
    assert Neuron(Setup(tmp_path, sdk="2.31.0")).objection("inf1") is None


def test_a_pin_says_the_same_with_and_without_an_environment(tmp_path, sdk):
    with_it = opened(tmp_path, sdk="2.31.0", python=str(sdk.python))
    assert with_it.fingerprint("trn1") == opened(tmp_path, sdk="2.31.0").fingerprint("trn1")


def test_without_a_pin_versions_are_the_environments(tmp_path, sdk):
    assert opened(tmp_path, python=str(sdk.python)).fingerprint("inf2").versions["neuronx-cc"] == "2.26.6360.0+82129205"


def test_without_either_the_way_out_is_told(tmp_path):
    with pytest.raises(ToolchainError, match="no Neuron SDK here") as caught:
        opened(tmp_path).fingerprint("inf2")
    assert "--sdk" in caught.value.hint
    assert "toolchains.neuronx.python" in caught.value.hint


def test_a_pin_must_be_what_compiles(tmp_path, sdk):
    opened(tmp_path, sdk="2.31.0", python=str(sdk.python)).preflight()
    with pytest.raises(ToolchainError, match=r"neuronx-cc is 2.26.6360.0.* and 2.25.3371.0 is pinned") as caught:
        opened(tmp_path, sdk="2.30.0", python=str(sdk.python)).preflight()
    assert "neuronx-cc==2.25.3371.0" in caught.value.hint


@pytest.mark.parametrize("release", ["2.33.0", "2.32.0"])
def test_a_right_host_of_a_release_that_took_over_an_older_framework_package_is_one(tmp_path, release):
    versions = {"torch-neuronx": LAST_WITH_TRACE}
    place = str(install_sdk(tmp_path / "sdk", release).python)
    opened(tmp_path, sdk=release, python=place, versions=versions).preflight()


def test_a_libneuronxla_for_other_frameworks_is_told_and_may_be_said_to_be_right(tmp_path):
    sdk = install_sdk(tmp_path / "sdk", "2.33.0")
    sdk.package("libneuronxla", "3.0.10135.0")
    with pytest.raises(ToolchainError, match=r"libneuronxla is 3.0.10135.0 .* and 2.2.17544.0 is pinned") as caught:
        opened(tmp_path, sdk="2.33.0", python=str(sdk.python)).preflight()
    assert "toolchains.neuronx.versions" in caught.value.hint
    opened(tmp_path, sdk="2.33.0", python=str(sdk.python), versions={"libneuronxla": "3.0.10135.0"}).preflight()


def test_a_version_that_is_said_wins(tmp_path, sdk):
    sdk.package("transformers", "4.55.0")
    with pytest.raises(ToolchainError, match=r"transformers is 4.55.0 .* and 4.57.1 is pinned"):
        opened(tmp_path, sdk="2.31.0", python=str(sdk.python)).preflight()
    opened(tmp_path, sdk="2.31.0", python=str(sdk.python), versions={"transformers": "4.55.0"}).preflight()


def test_a_release_that_nobody_knows_is_told_with_those_that_are(tmp_path):
    with pytest.raises(ToolchainError, match=r"'2\.99'") as caught:
        opened(tmp_path, sdk="2.99").fingerprint("inf2")
    assert "2.31.0" in caught.value.hint
    assert known_sdk("2.31.0").release == "2.31.0"


def test_a_release_that_cant_trace_is_told_with_what_goes_with_it(tmp_path):
    with pytest.raises(ToolchainError, match="no torch-neuronx with `trace`") as caught:
        opened(tmp_path, sdk="2.32.0").fingerprint("inf2")
    assert "2.9.0.2.15.32035" in caught.value.hint
    versions = {"torch-neuronx": "2.9.0.2.15.32035"}
    assert opened(tmp_path, sdk="2.32.0", versions=versions).fingerprint("inf2").versions["torch"] == "2.9.0"


def test_what_would_change_a_compile_doesnt_reach_the_worker(tmp_path, sdk, monkeypatch):
    for name in ("NEURON_CC_FLAGS", "NEURON_LOGICAL_NC_CONFIG", "NEURON_COMPILE_CACHE_URL", "XLA_FLAGS", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "0")
    monkeypatch.delenv("NEURONBUILD_TEST_STORE", raising=False)
    environment = opened(tmp_path, python=str(sdk.python)).worker().environment
    assert {name for name in environment if name.startswith(("NEURON", "XLA", "PYTHONPATH"))} == {
        "NEURON_PLATFORM_TARGET_OVERRIDE", "NEURON_RT_VISIBLE_CORES",
    }  # fmt: skip


def test_no_backend_loads_itself_in_the_worker(tmp_path, sdk, monkeypatch):
    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "1")
    for toolchain in (opened(tmp_path, python=str(sdk.python)), Neuron(Setup(tmp_path, python=str(sdk.python)))):
        assert toolchain.worker().environment["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "0"


def test_a_process_traces_once_for_the_framework_that_counts_its_traces(tmp_path, sdk):
    place = str(sdk.python)
    assert opened(tmp_path, python=place).worker().own_process == ("compile", "selftest")
    assert Neuron(Setup(tmp_path, python=place)).worker().own_process == ()


@pytest.mark.parametrize(("platform", "said"), [("inf2", "trn1"), ("trn1n", "trn1"), ("trn2", "trn2"), ("trn3", "trn3")])
def test_the_platform_is_said_before_anything_is_imported(tmp_path, sdk, platform, said):
    worker = opened(tmp_path, platform, python=str(sdk.python)).worker()
    assert worker.environment["NEURON_PLATFORM_TARGET_OVERRIDE"] == said


def test_workers_of_two_platforms_are_never_handed_each_others_jobs(tmp_path, sdk):
    one, other = (opened(tmp_path, platform, python=str(sdk.python)).worker() for platform in ("inf2", "trn2"))
    assert one != other


@pytest.mark.parametrize(
    ("instance", "runs"), [("inf2.xlarge", True), ("trn1.2xlarge", True), ("trn2.48xlarge", False), ("", False)]
)
def test_results_are_checked_on_a_device_of_the_same_cores(tmp_path, monkeypatch, instance, runs):
    (tmp_path / "devices").write_text("245 neuron\n" if instance else "1 mem\n")
    (tmp_path / "product").write_text(instance)
    monkeypatch.setattr(host, "DEVICES", tmp_path / "devices")
    monkeypatch.setattr(host, "PRODUCT", tmp_path / "product")
    assert opened(tmp_path, sdk="2.31.0").runs_here("inf2") is runs


def test_packages_are_picked_by_name():
    assert pick({"a": "1", "b": "2"}, ("b", "c")) == {"b": "2"}
