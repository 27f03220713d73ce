"""`run`: try a release from the command line, with texts or files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neuronbuild.cli.options import json_option
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import ToolchainError, UsageError
from neuronbuild.runtime.reader import read_release

STDIN = "-"
"""The input that stands for the lines of the standard input."""


@click.command("run")
@click.argument("release", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--fit", is_flag=True, help="Cut texts that are too long, pad sounds that are too short: they are refused otherwise."
)
@json_option
def run_command(*, release: Path, inputs: tuple[str, ...], fit: bool, as_json: bool) -> None:
    """Run a release on INPUTS: texts, image files or WAV files, as its task wants them.

    `-` stands for the lines of the standard input, each of which is one input.

    The answers are those of transformers' pipeline for the task, where there is one.

    Embeddings: the similarity of each pair. Classification: the likeliest label. Fill-mask: the likeliest words. Question
    answering: a question, then a context. Multiple choice: a prompt, then the choices. Text generation: what may follow, or
    the answer. Images: labels, objects, or the share of each label; zero-shot: an image, then the labels to choose from.
    Sound: labels, words, who speaks when, or how alike the voices of each pair are.
    """
    _refuse_bytes(inputs)
    read_release(release)  # what is wrong with it is told at once, before the seconds that the next lines take
    given = _with_lines(inputs)
    try:
        from neuronbuild.cli.answers import answer  # torch and transformers: only this command needs them
    except ImportError as error:
        problem = f"running a release needs torch and transformers: {error}"
        raise ToolchainError("cpu", problem, hint="pip install 'neuronbuild[cpu]'") from None
    rows = answer(release, given, fit=fit)
    if as_json:
        put_json(rows)
    else:
        put(*("  ".join(map(_cell, row.values())) for row in rows))


def _with_lines(inputs: tuple[str, ...]) -> list[str]:
    """Inputs with the lines of the standard input in the place of `-`; an empty line is an empty text."""
    if STDIN not in inputs:
        return list(inputs)
    if inputs.count(STDIN) > 1:
        raise UsageError("`-` stands for all lines of the standard input: give it once")
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the standard input isn't UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"the standard input can't be read: {error.strerror}", hint="send the lines through a pipe") from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    if not lines:
        raise UsageError("the standard input has no line", hint="give one input a line, or as an argument")
    place = inputs.index(STDIN)
    return [*inputs[:place], *lines, *inputs[place + 1 :]]


def _refuse_bytes(texts: tuple[str, ...]) -> None:
    """Stop at arguments that are no text: the shell hands over any bytes."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"a text isn't UTF-8: {ascii(text)[:80]}") from None


def _cell(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_cell, value)) + "]"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
