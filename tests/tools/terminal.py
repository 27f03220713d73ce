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

from tests.conftest import ROOT
from tests.limits import LONG


def seen_on_terminal(code: str, stream: str, columns: int = 80, **environment: str) -> str:
    """What code of this package writes to `stdout` or `stderr`, a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    env |= {"PYTHONPATH": str(ROOT), **environment}
    child = subprocess.Popen([sys.executable, "-c", code], env=env, **{stream: theirs})
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 1 << 16):
            said += chunk
    os.close(ours)
    assert child.wait(LONG) == 0
    return said.decode().replace("\r\n", "\n")
