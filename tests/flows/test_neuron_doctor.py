"""`doctor`, its self-test and `neff inspect`, with doubles of the SDK's environments and without any."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from neuronbuild.cli import cli
from tests.conftest import run_cli, write_recipe
from tests.doubles.neuron_sdk import PLACEHOLDERS, install_sdk
from tests.unit.neffs import neff


@pytest.fixture
def sdk(tmp_path):
    return install_sdk(tmp_path / "sdk")


def findings(cwd, **env) -> dict[str, dict]:
    done = run_cli("doctor", "--json", cwd=cwd, env=env)
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_without_an_environment_it_says_how_to_name_one(tmp_path):
    found = findings(tmp_path)
    assert (found["Neuron device"]["ok"], found["toolchain neuronx"]["ok"]) == (False, False)
    assert "toolchains.neuronx.python" in found["toolchain neuronx"]["advice"]


def test_an_environment_is_told_with_its_versions_and_lineage(tmp_path, sdk):
    sdk.workspace(tmp_path / "work")
    found = findings(tmp_path / "work")["toolchain neuronx"]
    assert found["ok"]
    assert "neuronx-cc 2.26.6360.0+82129205" in found["found"]
    assert "lineage xla" in found["found"]


def test_packages_from_the_wrong_index_are_told(tmp_path, sdk):
    for name, version in PLACEHOLDERS.items():
        sdk.package(name, version)
    found = findings(sdk.workspace(tmp_path / "work"))["toolchain neuronx"]
    assert not found["ok"]
    assert "torch-neuronx is the empty package from PyPI" in found["found"]
    assert "pip.repos.neuron.amazonaws.com" in found["advice"]


def test_a_pin_that_the_environment_isnt_is_told(tmp_path, sdk):
    work = sdk.workspace(tmp_path / "work")
    said = json.loads((work / "neuronbuild.yaml").read_text())
    (work / "neuronbuild.yaml").write_text(json.dumps({**said, "sdk": "2.30.0"}))
    found = findings(work)
    assert found["sdk"]["ok"]
    assert "2.25.3371.0 is pinned" in found["toolchain neuronx"]["found"]


@pytest.mark.parametrize(("platforms", "ok"), [(["inf2", "trn2"], True), (["inf2", "trn3"], False)])
def test_an_environment_that_is_too_old_for_one_of_the_platforms_is_told(tmp_path, platforms, ok):
    work = install_sdk(tmp_path / "sdk", "2.26.1").workspace(tmp_path / "work")
    shapes = {"batch_size": 1, "sequence_length": 8}
    write_recipe(work / "recipes/a.yaml", model="org/name", task="fill-mask", platforms=platforms, shapes=shapes)
    found = findings(work)["toolchain neuronx"]
    assert (found["ok"], "doesn't compile for trn3" in found["found"]) == (ok, not ok)


def test_flags_in_the_environment_are_told_to_have_no_effect(tmp_path):
    assert "no effect" in findings(tmp_path, NEURON_CC_FLAGS="-O1")["NEURON_CC_FLAGS"]["advice"]


def test_a_host_with_a_device_is_told(device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, ["doctor", "--json"]).stdout
    found = {finding["name"]: finding for finding in json.loads(said)["findings"]}
    assert (found["Neuron device"]["ok"], found["Neuron device"]["found"]) == (True, "inf2")


def test_the_selftest_says_of_each_contract_what_came_of_it(tmp_path, sdk):
    work = sdk.workspace(tmp_path / "work")
    done = run_cli("doctor", "--selftest", "--platform", "inf2", "--json", cwd=work)
    assert done.returncode == 0, done.stderr
    states = {(each["contract"], each["state"]) for each in json.loads(done.stdout)["assumptions"]}
    assert {("K1", "confirmed"), ("K2", "confirmed"), ("K5", "confirmed"), ("K12", "unused")} <= states


def test_the_selftest_fails_where_the_sdk_is_otherwise(tmp_path, sdk):
    sdk.set(build="", acts={"cc 2": "internal"})
    done = run_cli("doctor", "--selftest", "--platform", "inf2", cwd=sdk.workspace(tmp_path / "work"))
    assert done.returncode == 5
    assert "refuted    inf2  K1   the version has a build after a plus" in done.stdout
    assert "refuted    inf2  K2   trace takes our keywords" in done.stdout


def test_the_selftest_without_an_environment_says_what_to_name(tmp_path):
    done = run_cli("doctor", "--selftest", cwd=tmp_path)
    assert done.returncode == 2
    assert "toolchains.neuronx.python" in done.stderr


def test_a_neffs_header_is_printed(tmp_path):
    (tmp_path / "file.neff").write_bytes(neff(lnc=2, features=0x100))
    done = run_cli("neff", "inspect", "file.neff", cwd=tmp_path)
    assert done.returncode == 0
    assert "physical cores a core   2" in done.stdout
    assert "features                0x100" in done.stdout
    said = json.loads(run_cli("neff", "inspect", "file.neff", "--json", cwd=tmp_path).stdout)
    assert (said["neff"]["version"], said["neff"]["data_size"]) == ("2.0", 7)


def test_the_neff_in_a_release_is_found(neuron_built):
    done = run_cli("neff", "inspect", neuron_built.release("masked") / "model.neuron", cwd=neuron_built.root)
    assert "compiler                2.26.6360.0" in done.stdout


def test_what_is_no_neff_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    done = run_cli("neff", "inspect", "file", cwd=tmp_path)
    assert done.returncode == 6
    assert "is no NEFF: a header has more than 5 bytes" in done.stderr
