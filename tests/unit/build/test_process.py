from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from neuronbuild.build.process import STOPPED, Worker, death
from tests.doubles.toolchain import FILES, FakeToolchain, fake_action, is_gone, wait_until
from tests.limits import SOON


class Desk:
    """A worker, and a folder for its jobs."""

    def __init__(self, folder: Path, acts: dict[int, str]) -> None:
        self.folder = folder
        self.toolchain = FakeToolchain(folder / "toolchain", acts)
        (folder / "log").touch()
        self.worker = Worker(self.toolchain.worker(), folder / "log")

    def run(self, step: int = 1, timeout: float = SOON):
        action = fake_action(step)[1]
        job = self.folder / "job.json"
        job.write_text(json.dumps({"kind": "compile", "action": action.document, "folder": str(self.folder)}))
        return self.worker.run(job, timeout)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def desk(tmp_path):
    opened = []

    def open_desk(acts=None) -> Desk:
        opened.append(Desk(tmp_path, acts or {}))
        return opened[0]

    yield open_desk
    for each in opened:
        each.worker.close()


def test_a_job_is_done_and_answered(desk, tmp_path):
    answer = desk().run()
    assert answer.error is None
    assert answer.result["files"] == list(FILES)
    assert all((tmp_path / name).stat().st_size for name in FILES)
    assert 0 < answer.seconds < 20


def test_one_process_does_many_jobs(desk):
    desk = desk({1: "show-process", 2: "show-process"})
    assert desk.run(1).result["facts"]["process"] == desk.run(2).result["facts"]["process"]


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        ("user", "user", "the operator aten::hum is not supported"),
        ("internal", "internal", "RuntimeError: the scheduler tripped"),
        ("memory", "memory", "MemoryError"),
        ("disk", "system", "[Errno 28] No space left on device"),
        ("killed", "memory", "the compiler was killed, most likely for want of memory"),
        ("segfault", "crash", "the compiler crashed with SIGSEGV"),
        ("leave", "crash", "the compiler's process ended with status 3 and no answer"),
    ],
)
def test_each_failure_has_its_class_and_words(desk, act, kind, message):
    error = desk({1: act}).run().error
    assert error.kind == kind
    assert error.message.startswith(message)


def test_want_of_memory_says_how_much_the_host_has(desk):
    assert "GiB" in desk({1: "killed"}).run().error.message


def test_an_exception_costs_no_process_and_a_death_costs_one(desk):
    desk = desk({1: "user", 2: "segfault", 3: "show-process", 4: "show-process"})
    desk.run(1)
    before = desk.run(3).result["facts"]["process"]
    desk.run(2)
    after = desk.run(4).result["facts"]["process"]
    assert desk.toolchain.processes()[0] == before
    assert after != before


def test_a_worker_that_died_between_two_jobs_is_started_again(desk):
    desk = desk()
    desk.run(1)
    process = desk.toolchain.processes()[0]
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: is_gone(process))
    wait_until(lambda: desk.run(2).error is None)


@pytest.mark.parametrize("act", ["hang", "hang-with-child"])
def test_a_job_that_hangs_is_ended_with_its_whole_group(desk, act):
    desk = desk({1: act})
    error = desk.run(1, timeout=3.0).error
    assert error.kind == "timeout"
    assert error.message.startswith("it took longer than 3 s")
    wait_until(lambda: all(map(is_gone, desk.toolchain.processes())))


def test_the_next_job_after_one_that_hung_is_done(desk):
    desk = desk({1: "hang"})
    for _ in range(3):
        assert desk.run(1, timeout=0.3).error.kind == "timeout"
        assert desk.run(2).error is None


@pytest.mark.parametrize("act", ["segfault-with-child", "segfault-with-fork"])
def test_a_crash_is_told_at_once_and_ends_the_whole_group(desk, act):
    desk = desk({1: act})
    answer = desk.run()
    assert answer.error.message == "the compiler crashed with SIGSEGV"
    assert answer.seconds < 10
    assert len(desk.toolchain.processes()) == 2
    wait_until(lambda: all(map(is_gone, desk.toolchain.processes())))


def test_garbage_on_the_output_goes_to_the_log(desk):
    answer = desk({1: "chatter"}).run()
    assert answer.error is None
    assert b'{"ok": false}' in answer.log
    assert b"\xff\x00 garbage" in answer.log
    assert b"a child's words" in answer.log


def test_each_job_has_its_own_part_of_the_log(desk):
    desk = desk({1: "chatter", 3: "internal"})
    assert b"garbage" in desk.run(1).log
    assert desk.run(2).log == b""
    log = desk.run(3).log
    assert b"Traceback" in log
    assert b"garbage" not in log


def test_a_job_that_reads_its_input_finds_an_end_and_takes_no_job(desk):
    desk = desk({1: "ask"})
    assert desk.run(1).result["facts"]["read"] == ""
    assert desk.run(2).error is None


def test_the_environment_is_just_what_the_toolchain_says(desk, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    desk = desk({1: "show-environment"})
    assert desk.run().result["facts"]["environment"] == desk.toolchain.worker().environment


def test_stopping_ends_a_running_job_and_starts_no_other(desk):
    desk = desk({1: "hang-with-child"})
    answers = []
    thread = threading.Thread(target=lambda: answers.extend([desk.run(1), desk.run(2)]))
    thread.start()
    wait_until(lambda: len(desk.toolchain.processes()) == 2)
    desk.worker.stop()
    desk.worker.stop()
    thread.join(10)
    assert [answer.error for answer in answers] == [STOPPED, STOPPED]
    assert desk.toolchain.compiles() == [1]
    wait_until(lambda: all(map(is_gone, desk.toolchain.processes())))


def test_closing_ends_an_idle_worker_and_may_be_done_twice(desk):
    desk = desk()
    desk.run()
    open_before = open_files()
    desk.worker.close()
    desk.worker.close()
    wait_until(lambda: is_gone(desk.toolchain.processes()[0]))
    assert open_files() == open_before - 3


def test_an_interpreter_that_isnt_there_is_an_os_error_and_leaks_nothing(desk, tmp_path):
    desk = desk()
    desk.worker.command = replace(desk.worker.command, interpreter=str(tmp_path / "absent"))
    open_before = open_files()
    with pytest.raises(FileNotFoundError, match="absent"):
        desk.run()
    assert open_files() == open_before


@pytest.mark.parametrize(("code", "kind"), [(-9, "memory"), (-11, "crash"), (-6, "crash"), (1, "crash"), (0, "crash")])
def test_any_end_without_an_answer_is_a_failure(code, kind):
    assert death(code).kind == kind


def test_an_end_by_signal_is_named():
    assert death(-signal.SIGABRT).message == "the compiler crashed with SIGABRT"
