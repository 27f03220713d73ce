"""The worker as a child process: its own group, a log, a time limit, and an end when the builder ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.build.report import StepError

if TYPE_CHECKING:
    from neuronbuild.toolchain.base import WorkerCommand

WORKER = Path(__file__).resolve().parent.parent / "worker"

CHUNK = 1 << 16
LOOK = 0.5
LOOK_AFTER_OUTPUT = 0.01
"""Seconds between two looks at whether a silent child is still there, and one that has closed its output."""

STOPPED = StepError("stopped", "the build was stopped")
"""What becomes of a job that `Worker.stop` cut short: the fault of nobody, and told to nobody."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker said of a job, or what its end says instead. `log` is what was printed meanwhile."""

    seconds: float
    result: dict[str, object] = field(default_factory=dict)
    error: StepError | None = None
    log: bytes = b""


@final
class Worker:
    """One child. It is started by the first job, and again by the next job after it died."""

    def __init__(self, command: WorkerCommand, log: Path) -> None:
        self.command = command
        self._log = log
        self._lock = threading.Lock()
        self._stopped = False
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    def run(self, job: Path, timeout: float) -> Answer:
        """Have one job file done, in at most `timeout` seconds.

        Raises:
            OSError: the interpreter can't be started.
        """
        started = time.monotonic()
        offset = self._log.stat().st_size
        child = self._start()
        if child is None:
            return Answer(0.0, error=STOPPED)
        line, timed_out = _converse(child, job, started + timeout)
        seconds = time.monotonic() - started
        if line:
            said = json.loads(line)
            log = self._log.read_bytes()[offset:]
            if said["last"]:
                self.close()
            if said["ok"]:
                return Answer(seconds, said["result"], log=log)
            return Answer(seconds, error=StepError(said["error"]["class"], said["error"]["message"]), log=log)
        error = death(self.close())
        if timed_out:
            message = f"it took longer than {timeout:g} s and was stopped; allow more with limits.timeout in neuronbuild.yaml"
            error = StepError("timeout", message)
        return Answer(seconds, error=STOPPED if self._stopped else error, log=self._log.read_bytes()[offset:])

    def stop(self) -> None:
        """End the whole group now, and for good. Safe to call from another thread, at any time, twice."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                _kill_group(self._child)

    def close(self) -> int:
        """End the whole group, wait for the child, and give its exit code; 0 if there is no child."""
        with self._lock:
            child, self._child = self._child, None
            if child is None:
                return 0
            _kill_group(child)
            code = child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            os.close(self._lifeline)
            return code

    def _start(self) -> subprocess.Popen[bytes] | None:
        """The child, a new one if need be; `None` after `stop`."""
        if self._child is not None and _has_ended(self._child):
            self.close()
        with self._lock:
            if self._child is None and not self._stopped:
                self._child = self._spawn()
            return None if self._stopped else self._child

    def _spawn(self) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        try:
            with self._log.open("ab") as log:
                child = subprocess.Popen(
                    [self.command.interpreter, str(WORKER), str(reading)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=dict(self.command.environment),
                    pass_fds=[reading],
                    process_group=0,
                )
        except OSError:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._lifeline = writing
        return child


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that hasn't been waited for yet, and all that it started: until then no other group has its number."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child has ended. It isn't waited for, so that the rest of its group can still be killed."""
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _converse(child: subprocess.Popen[bytes], job: Path, deadline: float) -> tuple[bytes, bool]:
    """Send a line, wait for a line; an empty one means that the child ended. The second value says that time ran out.

    The end of the child's output isn't enough to go by: a process that it forked may hold the pipe open.
    """
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the worker was started without pipes")
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(f"{job}\n".encode())
        child.stdin.flush()
    received, look = b"", LOOK
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            ended = _has_ended(child)
            if selector.select(0 if ended else max(0.0, min(left, look))):
                chunk = os.read(child.stdout.fileno(), CHUNK)
                received += chunk
                if not chunk:
                    selector.unregister(child.stdout)
                    look = LOOK_AFTER_OUTPUT
            elif ended or left <= 0:
                return b"", not ended
    return received, False


def death(code: int) -> StepError:
    """What the end of a worker in mid-job says."""
    if code == -signal.SIGKILL:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        message = f"the compiler was killed, most likely for want of memory (this host has {gigabytes:.0f} GiB)"
        return StepError("memory", message)
    if code < 0:
        return StepError("crash", f"the compiler crashed with {signal.Signals(-code).name}")
    return StepError("crash", f"the compiler's process ended with status {code} and no answer")
