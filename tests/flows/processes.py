"""The command line as a process to watch, to interrupt and to kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.doubles.toolchain import is_gone, wait_until
from tests.limits import SOON

PATIENCE = SOON

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and what they start, are deaf to Ctrl-C
from neuronbuild.cli import main
main()
"""


def start(*arguments: object, cwd: Path, log: str = "stderr") -> subprocess.Popen[str]:
    """A command that runs on, its stderr in a file of its working folder."""
    with (cwd / log).open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )


def wait_for_text(file: Path, text: str) -> None:
    """Wait until a file holds some text."""
    wait_until(lambda: text in file.read_text(), seconds=PATIENCE)


def descendants(process: int) -> set[int]:
    """All processes below one, at any depth."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and not is_gone(int(folder.name)):
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    below, added = {process}, True
    while added:
        added = {child for child, parent in parents.items() if parent in below} - below
        below |= added
    return below - {process}


def runs_a_compiler(process: int) -> bool:
    """Whether a process has started g++, at any depth."""
    return any(name_of(child).startswith(("g++", "cc1plus", "c++")) for child in descendants(process))


def name_of(process: int) -> str:
    """A process's name; empty once it is gone."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
