"""A process that forks others for work, as its own parent sees it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from neuronbuild.build.process import WORKER
from neuronbuild.worker import forks
from tests.limits import SOON

PROGRAM = f"""
import importlib.util, os, pathlib, signal, sys, threading, time
folder = pathlib.Path({str(WORKER)!r})
spec = importlib.util.spec_from_file_location("worker", folder / "__init__.py", submodule_search_locations=[str(folder)])
sys.modules["worker"] = importlib.util.module_from_spec(spec)
from worker import forks
exec(sys.argv[1])
child = forks.fork()
if child == 0:
    exec(sys.argv[2])
if child:
    forks.wait(child)
print("forked" if child else "refused", flush=True)
"""


def outcome(child: str, before: str = "") -> tuple[str, int]:
    """What such a process printed, and its exit status; `before` is run before the fork, `child` in the child."""
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PROGRAM, before, child], check=False, stdout=subprocess.PIPE, text=True, timeout=SOON
    )
    return done.stdout, done.returncode


def test_a_process_whose_child_has_answered_goes_on():
    assert outcome(f"os._exit({forks.ANSWERED})") == ("forked\n", 0)


@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_process_ends_as_a_child_that_has_not_answered(status):
    assert outcome(f"os._exit({status})") == ("", status)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_a_process_dies_of_what_its_child_died_of(number):
    assert outcome(f"os.kill(os.getpid(), {int(number)})") == ("", -number)


def test_a_process_with_threads_is_not_forked():
    thread = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    assert outcome("os._exit(7)", f"forks.PATIENCE = 0.05; {thread}") == ("refused\n", 0)


def test_threads_that_end_before_a_fork_are_waited_for():
    ending = "go = threading.Event(); threading.Thread(target=lambda: (go.wait(), time.sleep(0.1))).start()"
    assert outcome(f"os._exit({forks.ANSWERED})", f"{ending}; os.register_at_fork(before=go.set)") == ("forked\n", 0)


def test_a_system_whose_threads_cannot_be_counted_is_not_forked():
    assert outcome("os._exit(7)", "sys.platform = 'darwin'") == ("refused\n", 0)


def test_the_end_of_the_parent_ends_the_child():
    child = "os.write(1, b'%d' % os.getpid()); os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)"
    said, status = outcome(child)  # returns when nobody holds the pipe any more
    assert said.isdigit()
    assert status == -signal.SIGKILL
