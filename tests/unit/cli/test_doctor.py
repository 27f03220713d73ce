from __future__ import annotations

import json

from click.testing import CliRunner

from neuronbuild.api.settings import Settings
from neuronbuild.cli.doctor import EXTRAS, _cpu, _existing, _version, doctor_command
from tests.conftest import TEXT, run_cli, write_recipe
from tests.tools.terminal import command_on_terminal


def test_the_disk_of_a_store_that_isnt_there_yet_is_that_of_its_nearest_folder(tmp_path):
    assert _existing(str(tmp_path)) == str(tmp_path)
    assert _existing(str(tmp_path / "a/b/c")) == str(tmp_path)
    assert _existing("nowhere/at/all") == "."


def test_a_toolchain_that_cant_be_had_is_a_finding_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = _cpu(Settings(scratch=tmp_path))
    assert (finding.ok, finding.needed) == (False, True)
    assert "g++ is not on PATH" in finding.found
    assert "apt install g++" in finding.advice


def test_a_package_that_isnt_installed_has_no_version():
    assert _version("no-such-package-anywhere") is None
    assert _version("click")


def test_every_extra_says_how_to_install_it():
    assert all("pip install 'neuronbuild[" in advice for advice in EXTRAS.values())


def toolchains(folder, *arguments) -> dict[str, dict]:
    """Findings of a doctor that was asked about a folder, by name."""
    done = CliRunner().invoke(doctor_command, [*arguments, "--json"], standalone_mode=False)
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_only_the_toolchains_that_recipes_use_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = {"model": "org/name", "task": "fill-mask", "shapes": TEXT}
    write_recipe(tmp_path / "recipes/a.yaml", **base)
    found = toolchains(tmp_path)
    assert "platform cpu" in found
    assert not [name for name in found if name.startswith("toolchain ")]
    write_recipe(tmp_path / "neuron/b.yaml", platforms=["inf1"], **base)
    found = toolchains(tmp_path, "neuron")
    assert [name for name in found if name.startswith("toolchain ")] == ["toolchain neuron"]
    assert found["toolchain neuron"]["needed"]
    assert "platform cpu" not in found
    assert found["recipes"]["found"] == "neuron for b"


def test_known_trouble_that_concerns_the_recipes_is_listed_and_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_bytes(b"weights")
    recipe = {"model": "../model", "task": "fill-mask", "shapes": TEXT}
    for family, platform in (("convbert", "inf2"), ("bert", "inf2"), ("convbert", "cpu")):
        (tmp_path / "model/config.json").write_text(json.dumps({"model_type": family}))
        write_recipe(tmp_path / "recipes/a.yaml", **recipe, platforms=[platform])
        found = toolchains(tmp_path).get("known trouble")
        if platform == "cpu":
            assert found is None
        elif family == "bert":
            assert found["ok"]
        else:
            assert (found["ok"], found["needed"]) == (False, False)
            assert found["found"].startswith("a on inf2: tracing it ends the process with SIGSEGV")
            assert "plan for SDK 2.30.0" in found["advice"]


def test_recipes_of_which_no_trouble_can_be_known_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path / "recipes/a.yaml", model="./nowhere", task="fill-mask", platforms=["inf2"], shapes=TEXT)
    found = toolchains(tmp_path)["known trouble"]
    assert (found["ok"], found["found"]) == (False, "not known of a")
    (tmp_path / "neuronbuild.lock").write_text("{")
    assert "it can't be told: " in toolchains(tmp_path)["known trouble"]["found"]


def test_faults_of_recipes_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path / "recipes/a.yaml", modle="x")
    found = toolchains(tmp_path)
    assert (found["recipes"]["ok"], found["recipes"]["found"]) == (False, "2 faults in recipes")
    assert "toolchain neuronx" in found


def test_findings_are_wrapped_to_the_width_of_a_terminal_and_nowhere_else(tmp_path):
    lines = command_on_terminal("doctor", cwd=tmp_path, columns=60).splitlines()
    margin = " " * 26
    assert [line for line in lines if len(line) > 60 and " " in line[26:]] == []
    assert [line for line in lines if line.startswith(margin)]
    heads = [line[:26] for line in lines if not line.startswith(margin)]
    assert heads == [line[:26] for line in run_cli("doctor", cwd=tmp_path).stdout.splitlines()]
