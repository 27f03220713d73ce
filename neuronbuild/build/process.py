"""The worker as a child process: its own group, a log, a time limit, and an end when the builder ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.build.report import StepError

if TYPE_CHECKING:
    from neuronbuild.toolchain.base import WorkerCommand

WORKER = Path(__file__).resolve().parent.parent / "worker"

CHUNK = 1 << 16


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
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    def run(self, job: Path, timeout: float) -> Answer:
        """Have one job file done, in at most `timeout` seconds."""
        started = time.monotonic()
        child = self._start()
        offset = self._log.stat().st_size
        line, timed_out = _converse(child, job, started + timeout)
        seconds = time.monotonic() - started
        log = self._log.read_bytes()[offset:]
        if timed_out:
            self.kill()
            message = f"it took longer than {timeout:g} s and was stopped; allow more with limits.timeout in neuronbuild.yaml"
            return Answer(seconds, error=StepError("timeout", message), log=log)
        if not line:
            child.wait()
            self.kill()
            return Answer(seconds, error=death(child.returncode), log=log)
        said = json.loads(line)
        if said["ok"]:
            return Answer(seconds, said["result"], log=log)
        return Answer(seconds, error=StepError(said["error"]["class"], said["error"]["message"]), log=log)

    def kill(self) -> None:
        """End the whole group now. Safe to call from another thread, at any time, twice."""
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the child, and wait for it."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        os.close(self._lifeline)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        reading, self._lifeline = os.pipe()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [self.command.interpreter, str(WORKER), str(reading)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(self.command.environment),
                pass_fds=[reading],
                process_group=0,
            )
        os.close(reading)
        return self._child


def _converse(child: subprocess.Popen[bytes], job: Path, deadline: float) -> tuple[bytes, bool]:
    """Send a line, wait for a line; an empty one means that the child ended. The second value says that time ran out."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the worker was started without pipes")
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(f"{job}\n".encode())
        child.stdin.flush()
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not received.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return b"", True
            chunk = os.read(child.stdout.fileno(), CHUNK)
            if not chunk:
                return b"", False
            received += chunk
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
