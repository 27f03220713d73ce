from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import ROOT, write_recipe
from tests.limits import LONG


@pytest.mark.parametrize("arguments", [["validate"], ["validate", "--json"]])
def test_a_full_disk_behind_stdout_is_told_in_a_line(tmp_path, arguments):
    recipe = write_recipe(tmp_path / "one.yaml", model="org/one")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "neuronbuild", *arguments, recipe],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the output can't be written: No space left on device",
        "  hint: free some space, or send the output elsewhere",
    ]


def test_a_reader_that_stops_is_no_fault(tmp_path):
    recipe = write_recipe(tmp_path / "one.yaml", model="org/one")
    command = f"{sys.executable} -m neuronbuild validate {recipe} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in {0, 1}
    assert done.stderr == ""


def on_terminal(columns: int, code: str, **environment: str) -> str:
    """What code of this package prints that has a terminal of so many columns for its stdout."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env={**env, "PYTHONPATH": str(ROOT), **environment})
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 1 << 16):
            said += chunk
    os.close(ours)
    assert child.wait(LONG) == 0
    return said.decode().replace("\r\n", "\n")


COLOURED = "import click; from neuronbuild.cli.output import put; put(click.style('red', fg='red'))"
WRAPPED = "from neuronbuild.cli.output import put_wrapped; put_wrapped('ok  name  ', 'several words ' * 6)"


def test_colours_go_to_terminals_where_nothing_speaks_against_them():
    assert on_terminal(80, COLOURED) == "\x1b[31mred\x1b[0m\n"
    assert on_terminal(80, COLOURED, NO_COLOR="") == "\x1b[31mred\x1b[0m\n"
    assert on_terminal(80, COLOURED, NO_COLOR="1") == "red\n"


def test_colours_go_nowhere_else():
    done = subprocess.run([sys.executable, "-c", COLOURED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "red\n"


def test_long_lines_go_on_below_their_text_on_terminals_only():
    lines = on_terminal(40, WRAPPED).splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[0].startswith("ok  name  several")
    assert all(line.startswith((" " * 10 + "s", " " * 10 + "w")) for line in lines[1:])
    done = subprocess.run([sys.executable, "-c", WRAPPED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
