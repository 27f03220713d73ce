from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from neuronbuild.cli.output import clean, put, put_wrapped, say, say_error
from neuronbuild.errors import StoreError
from tests.conftest import ROOT, write_recipe
from tests.tools.terminal import seen_on_terminal

CLOSED = ["error: the output can't be written: stdout is closed", "  hint: send the output elsewhere"]
FULL = [
    "error: the output can't be written: No space left on device",
    "  hint: free some space, or send the output elsewhere",
]


@pytest.fixture
def shell(tmp_path):
    """Run a command of ours in a shell, with redirections: its own status, and what is on stderr."""
    write_recipe(tmp_path / "one.yaml", model="org/one")

    def run(command: str, redirections: str, before: str = "pass") -> tuple[int, list[str]]:
        program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from neuronbuild.cli import main; {before}; main()"
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


@pytest.mark.parametrize(("redirections", "problem"), [("<&-", "has no line"), ("0>file", "can't be read")])
def test_a_stdin_that_is_closed_or_cant_be_read_is_told(shell, redirections, problem):
    sound = "import neuronbuild.cli.run; neuronbuild.cli.run.read_release = str"
    status, lines = shell("run release -", redirections, before=sound)
    assert status == 2
    assert lines[0].startswith(f"error: the standard input {problem}")


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


COLOURED = "import click; from neuronbuild.cli.output import put; put('red', style=lambda line: click.style(line, fg='red'))"
WRAPPED = "from neuronbuild.cli.output import put_wrapped; put_wrapped('ok  name  ', 'several words ' * 6)"


def test_colours_go_to_terminals_where_nothing_speaks_against_them():
    assert seen_on_terminal(COLOURED, "stdout") == "\x1b[31mred\x1b[0m\n"
    assert seen_on_terminal(COLOURED, "stdout", NO_COLOR="") == "\x1b[31mred\x1b[0m\n"
    assert seen_on_terminal(COLOURED, "stdout", NO_COLOR="1") == "red\n"


def test_colours_go_nowhere_else():
    done = subprocess.run([sys.executable, "-c", COLOURED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "red\n"


HOSTILE = "a\x1b[31mb\nc\r\x9b\x7f\u2028\u2066\udcffd"
CLEAN = r"a\x1b[31mb\nc\r\x9b\x7f\u2028\u2066\udcffd"


@pytest.mark.parametrize("text", ["plain", "a\tb", "日本語 é\u0301", "👩\u200d💻", "שלום\u200f!", "a\\nb", "a\xa0b"])
def test_text_that_does_nothing_to_a_terminal_stays_as_it_is(text):
    assert clean(text) == text


def test_each_line_is_put_as_one_whatever_it_holds(capsys):
    put("one", HOSTILE, style=lambda line: f"<{line}>")
    put()
    say(HOSTILE, "two")
    assert capsys.readouterr() == (f"<one>\n<{CLEAN}>\n", f"{CLEAN}\ntwo\n")


def test_a_wrapped_line_is_cleaned_as_well_on_terminals_and_elsewhere(capsys):
    put_wrapped("head  ", HOSTILE)
    assert capsys.readouterr().out == f"head  {CLEAN}\n"
    code = f"from neuronbuild.cli.output import put_wrapped; put_wrapped('head  ', {HOSTILE!a})"
    assert seen_on_terminal(code, "stdout") == f"head  {CLEAN}\n"


@pytest.mark.parametrize("debug", [False, True])
def test_what_a_server_said_is_cleaned_in_errors_and_their_tracebacks(capsys, debug):
    say_error(StoreError("s3://bucket", "\x1b]0;x\x07 said the server", hint="two\u202e"), debug=debug)
    said = capsys.readouterr().err
    assert said.endswith("error: store s3://bucket: \\x1b]0;x\\x07 said the server\n  hint: two\\u202e\n")
    assert all(line.isprintable() for line in said.split("\n"))
    assert ("StoreError" in said) == debug


def test_what_a_server_said_is_cleaned_in_warnings_of_the_log():
    code = (
        "import logging; from neuronbuild.cli.output import guard_streams; guard_streams();"
        "logging.getLogger('neuronbuild.store').warning('far: %s', '\\x1b]0;x\\x07 said the server')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "far: \\x1b]0;x\\x07 said the server\n"


def test_long_lines_go_on_below_their_text_on_terminals_only():
    lines = seen_on_terminal(WRAPPED, "stdout", 40).splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[0].startswith("ok  name  several")
    assert all(line.startswith((" " * 10 + "s", " " * 10 + "w")) for line in lines[1:])
    done = subprocess.run([sys.executable, "-c", WRAPPED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("command", [["plan"], ["cache", "ls"], ["doctor"], ["trust"], ["run", "release", "text"]])
def test_a_current_folder_that_is_gone_is_told(tmp_path, command):
    (tmp_path / "gone").mkdir()
    script = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {sys.executable} -m neuronbuild {' '.join(command)}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder can't be used")
    assert "Traceback" not in done.stderr
