from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT, write_recipe

CLOSED = ["error: the output can't be written: stdout is closed", "  hint: send the output elsewhere"]
FULL = [
    "error: the output can't be written: No space left on device",
    "  hint: free some space, or send the output elsewhere",
]


@pytest.fixture
def shell(tmp_path):
    """Run a command of ours in a shell, with redirections: its own status, and what is on stderr."""
    write_recipe(tmp_path / "one.yaml", model="org/one")

    def run(command: str, redirections: str) -> tuple[int, list[str]]:
        program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from neuronbuild.cli import main; main()"
        text = f"{sys.executable} -c {shlex.quote(program)} {command} {redirections}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", text], check=False, capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stderr.splitlines()

    return run


@pytest.mark.parametrize(
    ("command", "redirections", "lines"),
    [
        ("validate one.yaml", ">/dev/full", FULL),
        ("validate one.yaml --json", ">&-", CLOSED),
        ("cache ls --json", "<&- >&-", CLOSED),
        ("--help", ">&-", CLOSED),
        ("plan --help", ">/dev/full", FULL),
        ("--version", ">&-", CLOSED),
    ],
)
def test_output_that_cant_be_written_is_told_in_a_line(shell, command, redirections, lines):
    assert shell(command, redirections) == (1, lines)


@pytest.mark.parametrize("redirections", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_the_status_says_so_where_nothing_can_be_told(shell, redirections):
    assert shell("validate one.yaml --json", redirections) == (1, [])


@pytest.mark.parametrize("redirections", ["<&- 2>&-", "2>/dev/full"])
def test_a_stderr_that_cant_be_written_fails_no_command(shell, redirections):
    assert shell("cache ls", f">/dev/null {redirections}") == (0, [])


def test_a_file_that_is_opened_never_gets_the_number_of_a_closed_stream(tmp_path):
    program = (
        "from neuronbuild.cli.output import guard_streams; guard_streams(); open(3, 'w').write(str(open('x', 'w').fileno()))"
    )
    command = f"{sys.executable} -c {shlex.quote(program)} 3>number <&- >&- 2>&-"
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("command", ["cache ls --json", "--help"])
def test_a_reader_that_stops_is_no_fault_to_tell_of(shell, command):
    status, lines = shell(command, "| true")
    assert status in {0, 1}
    assert lines == []
