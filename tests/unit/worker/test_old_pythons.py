"""The worker's start and the probe in a bare environment of another Python, where one is here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.limits import SOON

WORKER = Path(__file__).parents[3] / "neuronbuild/worker"
NO_FRAMEWORKS = Path(__file__).parents[2] / "doubles/no_frameworks.py"
NAMES = ("python3.9", "python3.10", "python3.12", "python3.13")


def interpreter(name: str) -> str | None:
    """A Python of that version that starts; a version manager's stand-in may not."""
    places = [shutil.which(name), *map(str, Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}*/bin/python"))]
    for place in filter(None, places):
        said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and name.removeprefix("python") in said.stdout:
            return place
    return None


@pytest.fixture(params=NAMES)
def bare(request, tmp_path) -> str:
    """A new virtual environment with nothing in it."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no {request.param} here")
    subprocess.run([found, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    return str(tmp_path / "bare/bin/python")


def test_the_probe_answers_with_nothing_installed(bare):
    done = subprocess.run([bare, str(WORKER / "probe.py")], capture_output=True, text=True, check=True, env={"PATH": ""})
    said = json.loads(done.stdout)
    assert said["packages"] == {}
    assert said["compilers"] == {}
    assert said["places"]


def test_the_worker_starts_and_answers_in_a_bare_environment(bare, tmp_path):
    """What it can't do without torch is an answer, and no crash."""
    job = tmp_path / "job.json"
    action = {"toolchain": {"name": "neuronx"}}
    job.write_text(json.dumps({"kind": "compile", "action": action, "folder": str(tmp_path)}))
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [bare, str(WORKER), str(reading)], input=f"{job}\n", capture_output=True, text=True, pass_fds=[reading],
            process_group=0, timeout=SOON, check=False,
        )  # fmt: skip
    finally:
        os.close(reading)
        os.close(writing)
    said = json.loads(done.stdout)
    assert (said["ok"], said["error"]["class"]) == (False, "internal")
    assert "No module named 'torch'" in said["error"]["message"]


def test_every_module_compiles_there(bare):
    program = "import sys, pathlib\nfor p in pathlib.Path(sys.argv[1]).rglob('*.py'): compile(p.read_text(), str(p), 'exec')"
    subprocess.run([bare, "-c", program, str(WORKER)], check=True)


def test_every_module_is_imported_there(bare):
    """mypy checks for 3.10 and later only: what a module evaluates when it is imported, aliases of types too, shows here."""
    done = subprocess.run([bare, str(NO_FRAMEWORKS), str(WORKER)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"aot", "contract", "graph", "neuronx", "lowering"} <= set(done.stdout.split())
