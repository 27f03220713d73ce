"""`run` without its start: a process of its own, forked from one that has loaded torch and transformers, and nothing of ours.

Loading them takes eight CPU seconds, and is most of what `run` does over a tiny model. The command line is read, and this
project's modules are loaded, in the new process. What a true start loads and needs is in `tests/house/test_light_imports.py`
and where `run_cli` is given another PYTHONPATH.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

PRELOADED = ["torch", "safetensors.torch", "transformers.pipelines"]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(PRELOADED)


def run(arguments: list[str], cwd: Path, env: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives of `python -m neuronbuild` with these arguments."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _forks.Process(target=_main, args=(arguments, str(cwd), env, *map(str, said)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(arguments, code, *(file.read_text() for file in said))


def _main(arguments: list[str], cwd: str, env: dict[str, str], *files: str) -> None:
    threads = list(Path(f"/proc/{os.getppid()}/task").iterdir())
    assert len(threads) == 1, "the process that this one was forked from has threads"
    for number, name in enumerate(files, start=1):
        with Path(name).open("w") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["neuronbuild", *arguments]
    runpy.run_module("neuronbuild", run_name="__main__", alter_sys=True)
