"""What every toolchain promises, held for each there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.build.workbench import Workbench
from neuronbuild.toolchain.base import Toolchain, WorkerCommand
from neuronbuild.toolchain.inductor import Inductor
from tests.conftest import ROOT
from tests.doubles.toolchain import FakeToolchain, fake_action

KINDS = {"inductor": Inductor, "fake": FakeToolchain}
FILES = ("model.pt2", "constants.safetensors")


@pytest.fixture(params=KINDS)
def make(request, tmp_path):
    return lambda folder="scratch": KINDS[request.param](tmp_path / folder)


@pytest.fixture
def toolchain(make) -> Toolchain:
    return make()


def test_it_is_one_and_has_a_name(toolchain):
    assert isinstance(toolchain, Toolchain)
    assert toolchain.fingerprint("cpu").toolchain == toolchain.name


def test_a_fingerprint_is_the_same_every_time_and_wherever_it_keeps_its_scratch(make):
    one = make().fingerprint("cpu")
    assert isinstance(one, Fingerprint)
    assert one == make().fingerprint("cpu") == make("elsewhere").fingerprint("cpu")


def test_a_fingerprint_names_its_platform(toolchain):
    assert toolchain.fingerprint("cpu").platform == "cpu"


def test_a_fingerprint_is_json(toolchain):
    said = toolchain.fingerprint("cpu").as_json()
    assert json.loads(json.dumps(said)) == said
    assert said["versions"]


def test_a_fingerprint_names_no_place_of_this_machine(toolchain):
    text = json.dumps(toolchain.fingerprint("cpu").as_json())
    for place in (tempfile.gettempdir(), str(Path.home()), str(ROOT), os.uname().nodename):
        assert place not in text
    assert not re.search(r'"/', text)


def test_the_number_of_threads_asked_for_is_not_in_it(toolchain, monkeypatch):
    before = toolchain.fingerprint("cpu")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_MAX_AUTOTUNE", "CXXFLAGS"):
        monkeypatch.setenv(name, "1")
    assert toolchain.fingerprint("cpu") == before


def test_what_would_change_a_compile_doesnt_reach_the_worker(toolchain, monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_MAX_AUTOTUNE", "CXX", "CXXFLAGS", "CPATH", "PYTHONPATH")
    for name in names:
        monkeypatch.setenv(name, "1")
    assert not set(names) & set(toolchain.worker().environment)


def test_a_machine_that_has_all_passes_the_preflight(toolchain):
    assert toolchain.preflight() is None


def test_the_workers_command_is_the_same_every_time_so_that_workers_are_used_again(toolchain):
    command = toolchain.worker()
    assert isinstance(command, WorkerCommand)
    assert command == toolchain.worker()


def test_the_workers_interpreter_starts(toolchain):
    command = toolchain.worker()
    assert Path(command.interpreter).is_absolute()
    assert os.access(command.interpreter, os.X_OK)


def test_a_job_gets_an_answer_from_a_worker_that_is_started_so(toolchain, tmp_path):
    job = {"kind": "compile", "action": {**fake_action(1)[1].document, "dtype": "no such dtype"}}
    with Workbench(tmp_path / "work", 120) as bench, bench.folder() as folder:
        answer = bench.run(toolchain, job, folder)
    assert answer.error is not None or answer.result["files"] == list(FILES)
    assert answer.seconds > 0


def test_files_that_are_there_and_hold_something_have_no_fault(toolchain, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"something")
    assert toolchain.fault(tmp_path, list(FILES), {}) is None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_empty_or_not_listed_is_a_fault(toolchain, tmp_path, name):
    for each in FILES:
        (tmp_path / each).write_bytes(b"something")
    assert name in toolchain.fault(tmp_path, [each for each in FILES if each != name], {})
    (tmp_path / name).write_bytes(b"")
    assert name in toolchain.fault(tmp_path, list(FILES), {})
    (tmp_path / name).unlink()
    assert name in toolchain.fault(tmp_path, list(FILES), {})
    (tmp_path / name).mkdir()
    assert name in toolchain.fault(tmp_path, list(FILES), {})


def test_it_needs_no_torch_in_this_process():
    code = "import neuronbuild.toolchain.inductor as i, pathlib, sys; i.Inductor(pathlib.Path('x')).fingerprint('cpu'); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
