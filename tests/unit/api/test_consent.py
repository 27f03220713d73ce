from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from neuronbuild.api import consent
from neuronbuild.api.settings import workspace_settings
from neuronbuild.errors import ToolchainError, UsageError
from neuronbuild.toolchain.registry import open_toolchain
from tests.conftest import run_cli, write_recipe


@pytest.fixture(autouse=True)
def _own_config(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def work(tmp_path):
    """A workspace, with an interpreter in it that leaves a trace when it is run."""
    for place in ("work/bin", "work/sub", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("work/bin/python", "elsewhere/python"):
        (tmp_path / place).write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
        (tmp_path / place).chmod(0o755)
    return tmp_path / "work"


def says(work: Path, python: str, toolchain: str = "neuronx") -> None:
    write_recipe(work / "neuronbuild.yaml", toolchains={toolchain: {"python": python}})


def plan(work: Path, toolchain: str = "neuronx") -> ToolchainError:
    """What asking a toolchain who it is comes to: none of these interpreters has an SDK."""
    settings = workspace_settings(work)
    with pytest.raises(ToolchainError) as caught:
        open_toolchain(toolchain, "trn1", settings.toolchain(toolchain)).fingerprint("trn1")
    return caught.value


def was_run(work: Path) -> bool:
    return (work.parent / "was-run").exists()


def trust(work: Path) -> str:
    done = run_cli("trust", str(work), cwd=work.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "python",
    ["bin/python", "./bin/python", "{work}/bin/python", "../work/bin/python", "../elsewhere/python", "{link}/bin/python"],
)
def test_an_interpreter_of_the_workspace_is_not_run_unasked(work, python):
    (work.parent / "link").symlink_to(work)
    says(work, python.format(work=work, link=work.parent / "link"))
    error = plan(work)
    assert "nobody has agreed to run it" in str(error)
    assert f"neuronbuild trust {work}" in error.hint
    assert not was_run(work)


def test_nor_is_one_that_leads_into_it(work, monkeypatch):
    (work.parent / "elsewhere/link").symlink_to(work / "bin/python")
    says(work, str(work.parent / "elsewhere/link"))
    assert "nobody has agreed" in str(plan(work))
    monkeypatch.setenv("PATH", f"{work}/bin{os.pathsep}{os.environ['PATH']}")
    says(work, "python")
    assert "nobody has agreed" in str(plan(work))
    assert not was_run(work)


@pytest.mark.parametrize("toolchain", ["neuronx", "optimum"])
def test_the_workspace_above_a_folder_counts_as_well(work, toolchain):
    says(work, "bin/python", toolchain)
    assert f"neuronbuild trust {work}" in plan(work / "sub", toolchain).hint


def test_one_that_lies_elsewhere_is_this_machines_own(work):
    says(work, str(work.parent / "elsewhere/python"))
    assert "gives no answer" in str(plan(work))
    assert was_run(work)


def test_once_agreed_it_is_run_in_every_folder_of_the_workspace(work):
    says(work, "bin/python")
    assert f"toolchains.neuronx.python: {work}/bin/python" in trust(work)
    assert "gives no answer" in str(plan(work / "sub"))
    assert was_run(work)


def test_another_path_asks_again(work):
    says(work, "bin/python")
    trust(work)
    says(work, "sub/python")
    (work / "bin/python").rename(work / "sub/python")
    assert "nobody has agreed" in str(plan(work))


def test_so_does_a_link_that_leads_elsewhere_by_now(work):
    (work / "sub/python").symlink_to(sys.executable)
    says(work, "sub/python")
    trust(work)
    (work / "sub/python").unlink()
    (work / "sub/python").symlink_to(work / "bin/python")
    assert "nobody has agreed" in str(plan(work))


def test_so_does_another_folder_of_the_same_content(work):
    says(work, "bin/python")
    trust(work)
    work.rename(work.with_name("moved"))
    assert "nobody has agreed" in str(plan(work.with_name("moved")))


def test_the_file_of_another_user_names_nothing_that_is_run(work, monkeypatch):
    says(work, str(work.parent / "elsewhere/python"))
    monkeypatch.setattr(consent.os, "getuid", lambda: 4321)
    monkeypatch.setattr(consent, "ROOT", 4322)
    assert "nobody has agreed" in str(plan(work))


def test_a_workspace_without_interpreters_needs_no_consent(work):
    assert "nothing is to be trusted" in trust(work)
    assert workspace_settings(work).untrusted == {}


def test_a_release_that_is_pinned_is_planned_without_running_anything(work):
    write_recipe(work / "neuronbuild.yaml", toolchains={"neuronx": {"python": "bin/python", "sdk": "2.31.0"}})
    settings = workspace_settings(work)
    assert open_toolchain("neuronx", "trn1", settings.toolchain("neuronx")).fingerprint("trn1").versions
    assert not was_run(work)


def test_consent_that_cant_be_remembered_is_an_error(work, monkeypatch):
    says(work, "bin/python")
    (work.parent / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(work.parent / "file"))
    settings = workspace_settings(work)
    with pytest.raises(UsageError, match="can't be written"):
        consent.give_consent(settings.interpreters, work)
