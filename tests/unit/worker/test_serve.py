from __future__ import annotations

import io
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


@pytest.fixture
def worker(tmp_path):
    """A worker of this interpreter; its log is the file `log`."""
    (tmp_path / "log").touch()
    made = Worker(WorkerCommand(sys.executable, dict(os.environ)), tmp_path / "log")
    yield made
    made.close()


def write_job(folder, **keys):
    path = folder / "job.json"
    path.write_text(json.dumps({"folder": str(folder), "action": {"toolchain": {"name": "none"}}, **keys}))
    return path


def test_a_process_that_forks_for_a_job_of_its_own_does_the_next_one_too(worker, tmp_path):
    processes = []
    for own in (True, True, False):
        answer = worker.run(write_job(tmp_path, kind="check", own_process=own), SOON)
        assert answer.error.message == "this worker knows no toolchain 'none'"
        processes.append(worker._child.pid)
    assert len(set(processes)) == 1


def test_what_jobs_of_a_kind_import_is_imported_before_the_fork_for_those_that_ask_for_their_own_process(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(registry, "prepare", calls.append)
    monkeypatch.setattr(serve.forks, "fork", lambda: calls.append("fork"))
    for own in (True, False):
        serve._serve(str(write_job(tmp_path, kind="compile", own_process=own)), io.StringIO())
    assert calls == ["compile", "fork"]


def test_a_job_is_answered_also_where_its_imports_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "prepare", lambda kind: 1 / 0)
    monkeypatch.setattr(serve.forks, "fork", lambda: None)
    answers = io.StringIO()
    serve._serve(str(write_job(tmp_path, kind="none", own_process=True)), answers)
    assert json.loads(answers.getvalue())["last"] is True


def test_a_job_that_asks_for_its_own_process_is_the_last_of_one_that_cannot_be_forked(tmp_path, monkeypatch):
    monkeypatch.setattr(serve.forks, "fork", lambda: None)
    answers = io.StringIO()
    for own in (True, False):
        serve._serve(str(write_job(tmp_path, kind="none", own_process=own)), answers)
    assert [json.loads(line)["last"] for line in answers.getvalue().splitlines()] == [True, False]


def test_a_job_that_cannot_be_read_asks_for_no_process(tmp_path):
    answers = io.StringIO()
    serve._serve(str(tmp_path / "none.json"), answers)
    assert json.loads(answers.getvalue())["last"] is False


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
