"""Where jobs are done: a scratch folder of this process, and workers that outlast a job so that imports are paid once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.build.process import Answer, Worker
from neuronbuild.build.report import StepError
from neuronbuild.build.scratch import ScratchError, blame_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from neuronbuild.toolchain.base import Toolchain, WorkerCommand
    from neuronbuild.toolchain.frontend import FrontEnd

PREFIX = "build-"


@final
class Workbench:
    """Scratch space and idle workers. Use it as a context: leaving ends all workers and empties the scratch folder."""

    def __init__(self, root: Path, timeout: float) -> None:
        self._root = root
        self._timeout = timeout
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._folder: Path | None = None
        self._claim = -1
        self._closed = False

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        for worker in self._workers:
            worker.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._claim)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder that goes when the context is left.

        Raises:
            ScratchError: it can't be made, or something in the context couldn't be written or read: all work is done in it.
        """
        try:
            with self._lock:
                if self._folder is None:
                    self._root.mkdir(parents=True, exist_ok=True)
                    remove_stale(self._root)
                    self._folder, self._claim = claim_folder(self._root)
            with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
                yield Path(folder)
        except OSError as error:
            raise ScratchError(self._root, error) from None

    def run(self, toolchain: Toolchain | FrontEnd, job: dict[str, object], folder: Path) -> Answer:
        """Have one job done by an idle worker of that toolchain, or by a new one.

        Raises:
            OSError: the folder can't be written.
        """
        path, command = folder / "job.json", toolchain.worker()
        own_process = job["kind"] in command.own_process
        whole = {**job, "folder": str(folder), "timeout": self._timeout, "own_process": own_process}
        path.write_text(json.dumps(whole), encoding="utf-8")
        worker = self._take(command)
        try:
            try:
                answer = worker.run(path, self._timeout)
            except OSError as error:
                if error.filename != command.interpreter:
                    raise
                problem = f"the interpreter {command.interpreter} can't be started: {error.strerror}"
                return Answer(0.0, error=StepError("system", problem))
            if answer.error is None:
                return answer
            return replace(answer, error=blame_disk(answer.error, answer.log, folder, command.environment))
        finally:
            with self._lock:
                self._idle.append(worker)

    def stop(self) -> None:
        """Kill whatever is running. Jobs end as stopped; no new one starts."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.stop()

    def _take(self, command: WorkerCommand) -> Worker:
        with self._lock:
            for index, worker in enumerate(self._idle):
                if worker.command == command:
                    return self._idle.pop(index)
            log = (self._folder or self._root) / f"worker-{len(self._workers)}.log"
            log.touch()
            worker = Worker(command, log)
            self._workers.append(worker)
            if self._closed:
                worker.stop()
            return worker


def claim_folder(root: Path) -> tuple[Path, int]:
    """A new folder, and an open handle whose lock says that it is in use: the kernel lets go of it when its holder dies.

    A process number in the name would not do: processes of other containers that share the folder have other numbers.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process took it for stale before it was locked: once more
            continue
        with contextlib.suppress(OSError):  # no locks on this file system: nothing is ever taken for stale there
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return folder, handle
        os.close(handle)


def remove_stale(root: Path) -> None:
    """Remove the scratch folders of processes that are gone: a killed build leaves its own behind."""
    for folder in root.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
