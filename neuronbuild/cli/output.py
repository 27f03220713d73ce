"""What commands print for programs and people to keep: all of stdout goes through here."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap

import click

from neuronbuild.errors import NeuronBuildError

NARROWEST = 20
"""Columns that a text is given at least, however narrow the terminal is."""


class OutputError(NeuronBuildError):
    """A stdout that takes nothing more: a full disk, most of all."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the output can't be written: {problem}", hint="free some space, or send the output elsewhere")


def put(text: str, *, newline: bool = True) -> None:
    """Print on stdout; colours go to terminals only, and nowhere where NO_COLOR is set (https://no-color.org).

    Raises:
        OutputError: it can't be written.
        BrokenPipeError: whoever read it has stopped, which is no fault.
    """
    try:
        click.echo(text, nl=newline, color=False if os.environ.get("NO_COLOR") else None)
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise OutputError(str(error.strerror)) from None


def put_wrapped(head: str, text: str) -> None:
    """Print a line that on a terminal goes on below itself, indented by the width of its head, rather than at the edge."""
    if not sys.stdout.isatty():
        put(head + text)
        return
    width = max(shutil.get_terminal_size().columns, len(head) + NARROWEST)
    wrapper = textwrap.TextWrapper(width, head, " " * len(head), break_long_words=False, break_on_hyphens=False)
    put(wrapper.fill(text))


def put_json(value: object) -> None:
    """Print one JSON value on stdout."""
    put(json.dumps(value))


def drop_stdout() -> None:
    """Send what is still to be written nowhere: Python would complain about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
