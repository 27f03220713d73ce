from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, write_recipe


@pytest.mark.parametrize("arguments", [["validate"], ["validate", "--json"]])
def test_a_full_disk_behind_stdout_is_told_in_a_line(tmp_path, arguments):
    recipe = write_recipe(tmp_path / "one.yaml", model="org/one")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "neuronbuild", *arguments, recipe],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the output can't be written: No space left on device",
        "  hint: free some space, or send the output elsewhere",
    ]


def test_a_reader_that_stops_is_no_fault(tmp_path):
    recipe = write_recipe(tmp_path / "one.yaml", model="org/one")
    command = f"{sys.executable} -m neuronbuild validate {recipe} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in {0, 1}
    assert done.stderr == ""


@pytest.mark.parametrize("command", [["plan"], ["cache", "ls"], ["doctor"], ["trust"], ["run", "release", "text"]])
def test_a_current_folder_that_is_gone_is_told(tmp_path, command):
    (tmp_path / "gone").mkdir()
    script = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {sys.executable} -m neuronbuild {' '.join(command)}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder can't be used")
    assert "Traceback" not in done.stderr
