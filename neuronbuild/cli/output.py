"""Where commands run, what they print for programs and people to keep, on stdout, and what they say meanwhile, on stderr."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import shutil
import sys
import textwrap
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

from neuronbuild.errors import NeuronBuildError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

STDIN, STDOUT, STDERR = 0, 1, 2

NARROWEST = 20
"""Columns that a text is given at least, however narrow the terminal is."""

CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that end lines, steer terminals or turn the direction of writing, and halves of characters. A tab does no harm."""


class OutputError(NeuronBuildError):
    """A stdout that takes nothing: it is closed, or its disk is full."""

    def __init__(self, cause: OSError) -> None:
        is_closed = cause.errno == errno.EBADF
        problem = "stdout is closed" if is_closed else str(cause.strerror or cause)
        hint = "send the output elsewhere" if is_closed else "free some space, or send the output elsewhere"
        super().__init__(f"the output can't be written: {problem}", hint=hint)


def clean(text: str) -> str:
    r"""A text as one line that does nothing to a terminal, whoever wrote it: `\x1b` is shown, and is no escape."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def put(*lines: str, style: Callable[[str], str] | None = None) -> None:
    """Print lines for people on stdout, cleaned and then coloured by `style`.

    Colours go to terminals only, and nowhere where NO_COLOR is set (https://no-color.org).

    Raises:
        OutputError: it can't be written, once `guard_streams` was called.
        BrokenPipeError: whoever read it has stopped, which is no fault.
    """
    shown = map(clean, lines)
    text = "".join(f"{line}\n" for line in (map(style, shown) if style else shown))
    click.echo(text, nl=False, color=False if os.environ.get("NO_COLOR") else None)


def put_wrapped(head: str, text: str) -> None:
    """Print a line that on a terminal goes on below itself, indented by the width of its head, rather than at the edge."""
    if not sys.stdout.isatty():
        put(head + text)
        return
    width = max(shutil.get_terminal_size().columns, len(head) + NARROWEST)
    wrapper = textwrap.TextWrapper(width, head, " " * len(head), break_long_words=False, break_on_hyphens=False)
    put(*wrapper.wrap(clean(text)))


def put_json(value: object, *, indent: int | None = None) -> None:
    """Print one JSON value on stdout, in ASCII."""
    click.echo(json.dumps(value, indent=indent))


def say(*lines: str) -> None:
    """Print lines for people on stderr, cleaned."""
    click.echo("".join(f"{clean(line)}\n" for line in lines), nl=False, err=True)


def say_error(error: Exception, *, debug: bool) -> None:
    """Print an error on stderr, which may take several lines; its traceback before it under --debug."""
    if debug:
        say(*"".join(traceback.format_exception(error)).removesuffix("\n").split("\n"))
    say(*f"error: {error}".split("\n"))


def guard_streams() -> None:
    """Have stdout raise `OutputError`, whoever prints there, stderr lose what can't be written, and a closed stdin be empty.

    Python passes over a stream that was closed before it started, and the next file that is opened would get its number.
    Warnings that are logged come to stderr cleaned: they tell what servers said.
    """
    for number, flags in ((STDIN, os.O_RDONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free; writing to a stdout that is open for reading fails
    if sys.__stdin__ is None:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 (a number, for as long as the process)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stdout(STDOUT, "w", closefd=False), sys.stdout, "strict")
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stderr(STDERR, "w", closefd=False), sys.stderr, "backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_CleanFormatter())


def drop_stdout() -> None:
    """Send what is still to be written nowhere: Python would complain about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def current_folder() -> Path:
    """The folder that a command runs in.

    Raises:
        UsageError: it has been removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder can't be used: {error.strerror}", hint="go to another folder") from None


@final
class _CleanFormatter(logging.Formatter):
    """Records as lines that do nothing to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of one."""
        return "\n".join(map(clean, super().format(record).split("\n")))


@final
class _Stdout(io.FileIO):
    """The bytes of stdout."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer, as the base has it
        """Write, or raise an error that says what it is about."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error) from None


@final
class _Stderr(io.FileIO):
    """The bytes of stderr: a command does its work whether or not anybody can be told of it."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer, as the base has it
        """Write, or pass over it."""
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def _text(raw: io.FileIO, before: TextIO | None, errors: str) -> io.TextIOWrapper:
    """A stream of text like the one before it, which is `None` where there was none."""
    encoding = before.encoding if before is not None else "utf-8"
    errors = (before.errors if before is not None else None) or errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=True)
