"""Where jobs are done: a scratch folder of this process, and workers that outlast a job so that imports are paid once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.build.process import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from neuronbuild.build.process import Answer
    from neuronbuild.toolchain.base import Toolchain, WorkerCommand


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
        self._closed = False

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        for worker in self._workers:
            worker.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder that goes when the context is left."""
        with self._lock:
            if self._folder is None:
                self._root.mkdir(parents=True, exist_ok=True)
                remove_stale(self._root)
                self._folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self._root))
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def run(self, toolchain: Toolchain, job: dict[str, object], folder: Path) -> Answer:
        """Have one job done by an idle worker of that toolchain, or by a new one."""
        path = folder / "job.json"
        path.write_text(json.dumps({**job, "folder": str(folder)}), encoding="utf-8")
        worker = self._take(toolchain.worker())
        try:
            return worker.run(path, self._timeout)
        finally:
            with self._lock:
                self._idle.append(worker)

    def stop(self) -> None:
        """Kill whatever is running. Jobs end with an error; no new one starts."""
        self._closed = True
        with self._lock:
            for worker in self._workers:
                worker.kill()

    def _take(self, command: WorkerCommand) -> Worker:
        with self._lock:
            for index, worker in enumerate(self._idle):
                if worker.command == command:
                    return self._idle.pop(index)
            log = (self._folder or self._root) / f"worker-{len(self._workers)}.log"
            log.touch()
            worker = Worker(command, log)
            self._workers.append(worker)
            return worker


def remove_stale(root: Path) -> None:
    """Remove the scratch folders of processes that are gone: a killed build leaves its own behind."""
    for folder in root.iterdir():
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
