from __future__ import annotations

import json
import os
import sys

import pytest
from coverage import CoverageData

from neuronbuild.build.process import WORKER, Worker
from neuronbuild.toolchain.base import WorkerCommand
from neuronbuild.worker import registry, serve
from tests.limits import SOON


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """Run a job whose kind is done by a function, and give the answer."""

    def run(function) -> dict:
        monkeypatch.setitem(registry.KINDS, "convert", function)
        path = tmp_path / "job.json"
        path.write_text(json.dumps({"kind": "convert", "folder": str(tmp_path)}))
        return serve._run(str(path))

    return run


def test_an_answer_holds_the_result_and_the_seconds(answer, tmp_path):
    done = answer(lambda job: {"files": [job["folder"]]})
    assert done.pop("seconds") >= 0
    assert done == {"ok": True, "result": {"files": [str(tmp_path)]}}


def test_what_a_job_raises_is_its_answer_and_its_traceback_is_in_the_log(answer, capsys):
    done = answer(lambda job: job["nothing"])
    assert (done["ok"], done["error"]) == (False, {"class": "internal", "message": "KeyError: 'nothing'"})
    assert "Traceback" in capsys.readouterr().err


def test_a_job_that_cannot_be_read_is_answered(tmp_path):
    assert serve._run(str(tmp_path / "none.json"))["error"]["class"] == "system"


def measured_lines(folder, name: str) -> set[int]:
    """Lines of a worker's module that were run, by all that coverage wrote into a folder."""
    lines = set()
    for file in folder.glob("figures.*"):
        data = CoverageData(str(file))
        data.read()
        lines.update(data.lines(str(WORKER / name)) or ())
    return lines


def test_coverage_keeps_what_it_measured_in_a_worker_that_is_killed(tmp_path):
    settings, job, log = (tmp_path / name for name in ("coveragerc", "job.json", "log"))
    settings.write_text(f"[run]\nparallel = true\nsource = {WORKER}\ndata_file = {tmp_path / 'figures'}\n")
    job.write_text(json.dumps({"kind": "none"}))
    log.touch()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    worker = Worker(WorkerCommand(sys.executable, {**plain, "COVERAGE_PROCESS_START": str(settings)}), log)
    assert worker.run(job, SOON).error.kind == "internal"
    assert worker.close() < 0
    assert serve._run.__code__.co_firstlineno + 1 in measured_lines(tmp_path, "serve.py")


def test_a_worker_that_nothing_measures_writes_no_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "coverage", raising=False)
    serve._save_coverage()
    assert list(tmp_path.iterdir()) == []
