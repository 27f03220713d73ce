"""What somebody meets who has only the documents: mistakes that are easily made, and what is said of them."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TEXT, run_cli, write_recipe
from tests.flows.stores import refused

NO_SDK = "there is no Neuron SDK here"


@pytest.fixture
def zoo(tmp_path, models):
    """A recipe that can be planned, and others that can't, each for a reason of its own."""
    good = {"model": str(models["fill-mask"]), "task": "fill-mask", "shapes": TEXT}
    write_recipe(tmp_path / "recipes/good.yaml", **good)
    write_recipe(tmp_path / "recipes/gone.yaml", **{**good, "model": "./nowhere"})
    write_recipe(tmp_path / "recipes/misspelt.yaml", **good, tsak="x")
    write_recipe(tmp_path / "recipes/other.yaml", **good, platforms=["inf2"])
    write_recipe(tmp_path / "recipes/long.yaml", **{**good, "shapes": {"batch_size": 1, "sequence_length": 100_000}})
    (tmp_path / "recipes/several.yaml").write_text(
        f"name: first\nmodel: {good['model']}\ntask: fill-mask\nshapes: {{batch_size: 1, sequence_length: 8}}\n"
        "---\nname: second\nmodle: x\n"
    )
    return tmp_path


def test_recipes_that_cant_be_planned_hide_no_other(zoo):
    done = run_cli("plan", "--json", cwd=zoo)
    plan = json.loads(done.stdout)
    assert done.returncode == 2
    assert {step["recipe"] for step in plan["steps"]} == {"good", "first"}
    told = "\n".join(error["message"] for error in plan["errors"])
    for text in (
        "gone.yaml:1:1: model ./nowhere",
        "misspelt.yaml:6:1: unknown key 'tsak'",
        NO_SDK,
        "long.yaml:",
        "unknown key 'modle'",
    ):
        assert text in told
        assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_the_status_is_that_of_what_is_wrong(zoo):
    for name, status in (("gone", 3), ("misspelt", 2), ("other", 5)):
        done = run_cli("plan", "recipes/good.yaml", f"recipes/{name}.yaml", "--detailed-exitcode", cwd=zoo)
        assert (name, done.returncode) == (name, status)
        assert "Plan: 1 target, 1 to compile, 0 in the store." in done.stdout


def test_faulty_defaults_stop_every_recipe_that_they_are_for_and_no_other(zoo, models):
    (zoo / "recipes/defaults.yaml").write_text("defaults: {dtype: float23}\n")
    write_recipe(zoo / "apart/fine.yaml", model=str(models["fill-mask"]), task="fill-mask", shapes=TEXT)
    done = run_cli("plan", "recipes", "apart", cwd=zoo)
    assert done.returncode == 2
    assert "fine  (" in done.stdout
    assert "good  (" not in done.stdout


@pytest.fixture
def for_neuron(tmp_path, models):
    write_recipe(tmp_path / "r.yaml", model=str(models["fill-mask"]), task="fill-mask", platforms=["inf2", "inf1"], shapes=TEXT)
    return tmp_path


def test_what_another_sdk_changes_is_told_though_nothing_was_ever_built(for_neuron):
    (for_neuron / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
    done = run_cli("plan", "r.yaml", "--sdk", "2.30.0", cwd=for_neuron)
    lines = done.stdout.splitlines()
    assert "SDK 2.31.0 -> 2.30.0" in lines
    assert "  neuronx for inf2: libneuronxla 2.2.17544.0 -> 2.2.16974.0, neuronx-cc 2.26.6360.0 -> 2.25.3371.0, " in done.stdout
    assert "  neuron for inf1: the same packages" in lines
    assert "  1 target would be compiled anew" in lines
    move = json.loads(run_cli("plan", "r.yaml", "--sdk", "2.30.0", "--json", cwd=for_neuron).stdout)["move"]
    assert (move["from"], move["to"], move["steps"]) == ("2.31.0", "2.30.0", 1)
    assert move["changes"]["neuronx for inf2"]["neuronx-cc"] == ["2.26.6360.0", "2.25.3371.0"]


def test_a_patch_release_without_changes_is_told_as_that(for_neuron):
    (for_neuron / "neuronbuild.yaml").write_text('sdk: "2.31.0"\n')
    done = run_cli("plan", "r.yaml", "--sdk", "2.31.1", cwd=for_neuron)
    assert "neuronx for inf2: the same packages" in done.stdout
    assert "  0 targets would be compiled anew" in done.stdout


def test_without_an_sdk_to_compare_with_the_packages_of_the_other_are_listed(for_neuron):
    done = run_cli("plan", "r.yaml", "--sdk", "2.30.0", cwd=for_neuron)
    assert done.returncode == 0
    assert "neuronx-cc 2.25.3371.0" in done.stdout
    assert "none is installed, locked or pinned to compare with" in done.stdout


@pytest.mark.parametrize("text", ["sdk: 2.31", "toolchains: {neuronx: {sdk: 2.31}}"])
def test_a_release_of_the_sdk_without_quotes_is_told_how_to_write_it(for_neuron, text):
    (for_neuron / "neuronbuild.yaml").write_text(f"{text}\n")
    said = refused(2, "plan", "r.yaml", cwd=for_neuron)
    assert "neuronbuild.yaml:1:" in said
    assert 'write "2.31.1" or "2.31.0", in quotes' in said


def test_a_release_of_the_sdk_that_isnt_whole_is_told_those_that_begin_so(for_neuron):
    assert 'write "2.30.0"' in refused(5, "plan", "r.yaml", "--sdk", "2.30", cwd=for_neuron)
