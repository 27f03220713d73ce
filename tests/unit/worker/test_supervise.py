"""The watcher and the working process, as a builder sees them: a pipe, an exit status and a process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from neuronbuild.build.process import WORKER
from tests.doubles.toolchain import is_gone, state_of, wait_until
from tests.limits import SOON

PROGRAM = f"""
import os, signal, sys, time
sys.path.insert(0, {str(WORKER)!r})
import supervise
supervise.split(int(sys.argv[1]))
print(os.getpid(), os.getppid(), flush=True)
exec(sys.argv[2])
"""


class Split:
    """A process that has split itself, and the end of its lifeline."""

    def __init__(self, work: str) -> None:
        reading, self.lifeline = os.pipe()
        command = [sys.executable, "-IS", "-c", PROGRAM, str(reading), work]
        self.process = subprocess.Popen(command, pass_fds=[reading], stdout=subprocess.PIPE, text=True, process_group=0)
        os.close(reading)
        self.working, self.watcher = map(int, self.process.stdout.readline().split())

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        os.close(self.lifeline)


@pytest.fixture
def split():
    opened = []

    def start(work: str) -> Split:
        opened.append(Split(work))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.parametrize("status", [0, 3])
def test_the_watcher_ends_as_the_work_ended(split, status):
    assert split(f"os._exit({status})").process.wait(SOON) == status


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGTERM])
def test_the_watcher_dies_of_what_the_work_died_of(split, number):
    assert split(f"os.kill(os.getpid(), {int(number)})").process.wait(SOON) == -number


def test_the_end_of_the_lifeline_ends_both(split):
    pair = split("time.sleep(600)")
    os.close(pair.lifeline)
    assert pair.process.wait(SOON) == -signal.SIGKILL
    wait_until(lambda: is_gone(pair.working))
    pair.lifeline = os.dup(1)


def test_the_end_of_the_watcher_ends_the_work(split):
    pair = split("time.sleep(600)")
    os.kill(pair.watcher, signal.SIGKILL)
    wait_until(lambda: is_gone(pair.working))


def test_work_that_is_only_stopped_for_a_while_is_still_watched(split):
    pair = split("os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)")
    wait_until(lambda: state_of(pair.working) == "T")
    os.kill(pair.working, signal.SIGCONT)
    wait_until(lambda: state_of(pair.working) == "S")
    assert pair.process.poll() is None
    os.kill(pair.working, signal.SIGTERM)
    assert pair.process.wait(SOON) == -signal.SIGTERM


def test_a_fork_that_holds_all_pipes_doesnt_hide_the_end(split):
    assert split("os.fork() or time.sleep(600); os._exit(5)").process.wait(SOON) == 5
