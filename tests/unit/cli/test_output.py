from __future__ import annotations

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
