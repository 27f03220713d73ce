"""How the environment with torch-xla is made; pip itself is run by `make front-end` alone."""

from __future__ import annotations

import subprocess

import pytest

from neuronbuild.api import Settings, front_end_setup
from neuronbuild.api.front_end_setup import READY, make_environment, set_up
from neuronbuild.errors import ToolchainError
from neuronbuild.recipe.schema import Interpreter


@pytest.fixture
def commands(monkeypatch):
    """What is run, and nothing is; the statuses that they end with can be set."""
    ran, statuses = [], []

    def run(command, **_):
        ran.append(command)
        return subprocess.CompletedProcess(command, statuses.pop(0) if statuses else 0)

    monkeypatch.setattr(front_end_setup.subprocess, "run", run)
    return ran, statuses


def test_both_come_in_the_versions_that_fit_each_other(commands, tmp_path):
    ran, _ = commands
    (tmp_path / "made").mkdir()
    with pytest.raises(FileNotFoundError):  # nothing made the folder, since nothing is run
        make_environment(tmp_path / "made")
    assert ran[0][1:3] == ["-m", "venv"]
    assert {"torch==2.9.0", "torch_xla==2.9.0".replace("_", "-"), "transformers==4.57.1"} <= set(ran[1])


def test_one_that_is_whole_stays(commands, tmp_path):
    (tmp_path / READY).touch()
    assert make_environment(tmp_path) == tmp_path / "bin/python"
    assert commands[0] == []


def test_what_an_interrupted_one_left_is_made_anew(commands, tmp_path):
    commands[1].extend([0, 1])
    (tmp_path / "made/bin").mkdir(parents=True)
    with pytest.raises(ToolchainError, match=r"pip install .* failed with status 1"):
        make_environment(tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_python_that_it_isnt_built_for_is_told_before_anything_is_fetched(commands, tmp_path, monkeypatch):
    monkeypatch.setattr(front_end_setup, "PYTHONS", (7, 8))
    with pytest.raises(ToolchainError, match=r"no package for Python 3\.\d+") as caught:
        make_environment(tmp_path / "made")
    assert "Python 3.7 to 3.8" in caught.value.hint
    assert commands[0] == []


def test_one_that_the_workspace_names_is_left_alone(tmp_path):
    settings = Settings(scratch=tmp_path, interpreters={"frontend": Interpreter(python="/opt/xla/bin/python")})
    with pytest.raises(ToolchainError, match="names an interpreter for it already"):
        set_up(settings)
