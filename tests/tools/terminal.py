"""Code that has a terminal where programs otherwise have a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.limits import LONG

if TYPE_CHECKING:
    from pathlib import Path


def seen_on_terminal(code: str, stream: str, columns: int = 80, **environment: str) -> str:
    """What code of this package writes to `stdout` or `stderr`, a terminal of so many columns."""
    return _seen([sys.executable, "-c", code], stream, columns, None, environment)


def command_on_terminal(*words: object, cwd: Path, columns: int = 80, **environment: str) -> str:
    """What a command of ours writes to stdout, a terminal of so many columns. It must succeed."""
    return _seen([sys.executable, "-m", "neuronbuild", *map(str, words)], "stdout", columns, cwd, environment)


def _seen(command: list[str], stream: str, columns: int, cwd: Path | None, environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    env |= {"PYTHONPATH": str(ROOT), **environment}
    child = subprocess.Popen(command, env=env, cwd=cwd, **{stream: theirs})
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 1 << 16):
            said += chunk
    os.close(ours)
    assert child.wait(LONG) == 0
    return said.decode().replace("\r\n", "\n")
