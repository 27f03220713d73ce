"""What every toolchain promises, held for each there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from neuronbuild.artifact.action import CompilerPart
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.build.workbench import Workbench
from neuronbuild.toolchain.base import WORKER_SETTINGS, Toolchain, WorkerCommand
from neuronbuild.toolchain.inductor import Inductor
from neuronbuild.toolchain.neuron import Neuron
from neuronbuild.toolchain.neuronx import Neuronx
from neuronbuild.toolchain.optimum import Optimum
from neuronbuild.toolchain.setup import Setup
from tests.conftest import ROOT
from tests.doubles.neuron_sdk import install_inf1, install_optimum, install_sdk
from tests.doubles.toolchain import FakeToolchain, fake_action
from tests.unit.artifact.actions import compile_action
from tests.unit.neffs import archive, neff


@dataclass(frozen=True)
class Kind:
    """One toolchain: how it is opened over a scratch folder, its platform, and files that it would be content with."""

    open: Callable[[Path], Toolchain]
    platform: str
    files: dict[str, bytes]


CPU_FILES = {"model.pt2": b"something", "constants.safetensors": b"something"}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> dict[str, Kind]:
    """Those of the Neuron SDK are in environments of doubles."""
    root = tmp_path_factory.mktemp("environments")
    graph = archive(root / "graph", neff()).read_bytes()
    sdk, old, optimum = install_sdk(root / "sdk"), install_inf1(root / "old"), install_optimum(root / "optimum")
    config = b'{"batch_size": 1, "tp_degree": 1, "target": "trn1", "torch_dtype": "float32"}'
    rank = "exported/checkpoint/weights/tp0_sharded_checkpoint.safetensors"
    exported = {"exported/neuron_config.json": config, "exported/model.pt": graph, rank: b"weights"}
    return {
        "inductor": Kind(Inductor, "cpu", CPU_FILES),
        "fake": Kind(FakeToolchain, "cpu", CPU_FILES),
        "neuronx": Kind(lambda folder: Neuronx(Setup(folder, python=str(sdk.python)), "inf2"), "inf2", {"model.neuron": graph}),
        "neuron": Kind(lambda folder: Neuron(Setup(folder, python=str(old.python))), "inf1", {"model.neuron": graph}),
        "optimum": Kind(lambda folder: Optimum(Setup(folder, python=str(optimum.python)), "trn1"), "trn1", exported),
    }


@pytest.fixture(params=["inductor", "fake", "neuronx", "neuron", "optimum"])
def kind(request, kinds) -> Kind:
    return kinds[request.param]


@pytest.fixture
def make(kind, tmp_path):
    return lambda folder="scratch": kind.open(tmp_path / folder)


@pytest.fixture
def toolchain(make) -> Toolchain:
    return make()


def test_it_is_one_and_has_a_name(toolchain, kind):
    assert isinstance(toolchain, Toolchain)
    assert toolchain.fingerprint(kind.platform).name == toolchain.name


def test_a_fingerprint_is_the_same_every_time_and_wherever_it_keeps_its_scratch(make, kind):
    one = make().fingerprint(kind.platform)
    assert isinstance(one, Fingerprint)
    assert one == make().fingerprint(kind.platform) == make("elsewhere").fingerprint(kind.platform)


def test_a_fingerprint_names_its_platform(toolchain, kind):
    assert toolchain.fingerprint(kind.platform).platform == kind.platform


def test_a_fingerprint_is_json(toolchain, kind):
    said = toolchain.fingerprint(kind.platform).as_json()
    assert json.loads(json.dumps(said)) == said
    assert said["versions"]


def test_a_fingerprint_names_no_place_of_this_machine(toolchain, kind):
    text = json.dumps(toolchain.fingerprint(kind.platform).as_json())
    for place in (tempfile.gettempdir(), str(Path.home()), str(ROOT), os.uname().nodename):
        assert place not in text
    assert not re.search(r'"/', text)


def test_the_number_of_threads_asked_for_is_not_in_it(toolchain, kind, monkeypatch):
    before = toolchain.fingerprint(kind.platform)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_MAX_AUTOTUNE", "CXXFLAGS"):
        monkeypatch.setenv(name, "1")
    assert toolchain.fingerprint(kind.platform) == before


def test_what_would_change_a_compile_doesnt_reach_the_worker(toolchain, monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_MAX_AUTOTUNE", "CXX", "CXXFLAGS", "CPATH", "PYTHONPATH")
    for name in names:
        monkeypatch.setenv(name, "1")
    assert not set(names) & set(toolchain.worker().environment)


def test_the_settings_of_all_workers_hold_whatever_the_caller_has_set(toolchain, monkeypatch):
    for name in WORKER_SETTINGS:
        monkeypatch.setenv(name, "another")
    assert WORKER_SETTINGS.items() <= toolchain.worker().environment.items()


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
    assert answer.error is not None or answer.result["files"] == list(CPU_FILES)
    assert answer.seconds > 0


def put(folder: Path, files: dict[str, bytes]) -> list[str]:
    """What a compile left."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return list(files)


ACTION = compile_action(
    shape={"batch_size": 1},
    compiler=CompilerPart(num_cores=1, arguments=()),
    toolchain=Fingerprint("any", "trn1", {}, {"target_override": "trn1"}),
)


def test_files_that_are_there_and_are_sound_have_no_fault(toolchain, kind, tmp_path):
    assert toolchain.fault(tmp_path, put(tmp_path, kind.files), ACTION) is None


def test_a_file_that_is_empty_or_not_listed_is_a_fault(toolchain, kind, tmp_path):
    for name in kind.files:
        listed = put(tmp_path, kind.files)
        if name != "exported/neuron_config.json":
            assert toolchain.fault(tmp_path, [each for each in listed if each != name], ACTION)
        (tmp_path / name).write_bytes(b"")
        assert toolchain.fault(tmp_path, listed, ACTION)


def test_files_that_are_missing_are_a_fault(toolchain, kind, tmp_path):
    assert toolchain.fault(tmp_path, [], ACTION)


def test_it_needs_no_torch_in_this_process():
    code = "import neuronbuild.toolchain.inductor as i, pathlib, sys; i.Inductor(pathlib.Path('x')).fingerprint('cpu'); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
