"""Where commands run, and what they print for programs and people to keep: all of stdout goes through here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from neuronbuild.errors import NeuronBuildError, UsageError


class OutputError(NeuronBuildError):
    """A stdout that takes nothing more: a full disk, most of all."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the output can't be written: {problem}", hint="free some space, or send the output elsewhere")


def put(text: str, *, newline: bool = True) -> None:
    """Print on stdout.

    Raises:
        OutputError: it can't be written.
        BrokenPipeError: whoever read it has stopped, which is no fault.
    """
    try:
        click.echo(text, nl=newline)
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise OutputError(str(error.strerror)) from None


def put_json(value: object) -> None:
    """Print one JSON value on stdout."""
    put(json.dumps(value))


def drop_stdout() -> None:
    """Send what is still to be written nowhere: Python would complain about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def current_folder() -> Path:
    """The folder that a command runs in.

    Raises:
        UsageError: it has been removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder can't be used: {error.strerror}", hint="go to another folder") from None
