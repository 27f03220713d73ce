from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from neuronbuild.cli import cli
from neuronbuild.cli.failures import told_first
from neuronbuild.errors import SourceError, StoreError
from tests.conftest import write_recipe

SHAPES = {"batch_size": 1, "sequence_length": 8}
READERS = {"plan": ["plan"], "apply": ["apply"], "push": ["cache", "push"], "pull": ["cache", "pull"]}


@pytest.fixture
def wrong(tmp_path, monkeypatch):
    """A recipe whose model is gone, and one with a misspelt key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEURONBUILD_REMOTE", str(tmp_path / "far"))
    write_recipe(tmp_path / "recipes/gone.yaml", model="./nowhere", task="fill-mask", shapes=SHAPES)
    write_recipe(tmp_path / "recipes/misspelt.yaml", modle="x")
    return ["recipes/gone.yaml", "recipes/misspelt.yaml"]


def run(*arguments):
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


@pytest.mark.parametrize("command", [*READERS, "lock"])
def test_where_no_recipe_can_be_used_all_that_is_wrong_is_told(wrong, command, tmp_path):
    done = run(*READERS.get(command, [command]), *wrong)
    assert done.return_value == 2
    assert "recipes/gone.yaml:1:1: model ./nowhere: there is no folder" in done.stderr
    assert "recipes/misspelt.yaml:1:1: unknown key 'modle'" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "neuronbuild.lock").exists()


@pytest.mark.parametrize("command", READERS)
def test_programs_are_told_all_of_it_too(wrong, command):
    done = run(*READERS[command], *wrong, "--json")
    assert done.return_value == 2
    told = json.loads(done.stdout)
    assert told.get("steps", told.get("stores")) == []
    assert ["modle" in told["errors"][0]["message"], "./nowhere" in told["errors"][1]["message"]] == [True, True]


@pytest.mark.parametrize("command", [*READERS, "lock"])
def test_where_every_recipe_is_misspelt_that_is_told(wrong, command):
    done = run(*READERS.get(command, [command]), wrong[1])
    assert done.return_value == 2
    assert "unknown key 'modle'" in done.stderr
    assert done.stdout == ""


def test_an_error_that_ends_a_command_hides_none(capsys):
    with pytest.raises(StoreError), told_first([SourceError("./one", "it is gone")]):
        raise StoreError("place", "it is a file")
    assert capsys.readouterr().err == "error: model ./one: it is gone\n"
