"""The conversation: a job file's path comes in on a line, a line of JSON goes out when it is done.

Everything that libraries print goes to the log instead, so that the answers stay clean.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback

from . import supervise

KINDS = {
    "compile": (None, "compile_action"),
    "convert": ("weights", "convert"),
    "check": ("check", "check_release"),
    "lower": ("lowering", "lower"),
    "selftest": ("selftest", "run"),
}
"""Kind of job: the module that does it, imported when first asked for, and its function. No module: the toolchain's own."""

TOOLCHAINS = ("inductor", "neuronx", "neuron", "optimum")
"""Toolchains that have a module here, of their name."""

WANT_OF_MEMORY = ("out of memory", "bad_alloc", "cannot allocate memory", "killed signal terminated program")
"""In what allocators, the kernel (ENOMEM) and g++ (whose own child was killed) say when there is no memory left."""


MOST = 400
"""Characters of a library's message that are passed on; the log has it all."""


class JobError(Exception):
    """A failure whose class, in the builder's words, is known: `user`, `memory`, `timeout`, `crash`, `output`..."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class UserError(Exception):
    """Something that the person who wrote the recipe can mend: told without a traceback."""


def main(lifeline: int) -> None:
    """Answer jobs until the input ends."""
    supervise.split(lifeline)
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as nothing:  # a compiler that reads its input must find an end, and no job
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    for line in jobs:
        answer = _run(line.strip())
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the log's disk is full: the answer is what counts
                stream.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _run(path: str) -> dict:
    started = time.monotonic()
    try:
        with open(path, encoding="utf-8") as file:
            job = json.load(file)
        result = _function(job)(job)
    except Exception as error:  # noqa: BLE001 (whatever went wrong is the answer)
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return {"ok": False, "error": describe(error), "seconds": time.monotonic() - started}
    return {"ok": True, "result": result, "seconds": time.monotonic() - started}


def _function(job: dict):
    module, name = KINDS[job["kind"]]
    return getattr(toolchain_of(job["action"]) if module is None else _module(module), name)


def toolchain_of(action: dict):
    """The module of the toolchain that an action names."""
    name = action["toolchain"]["name"]
    if name not in TOOLCHAINS:
        raise UserError(f"this worker knows no toolchain {name!r}")
    return _module(name)


def _module(name: str):
    import importlib

    return importlib.import_module("." + name, __package__)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(error: BaseException) -> str:
    """What an error says, in one line; with its type where the text alone would be a riddle (`'gelu'`)."""
    text = " ".join(str(error).split())[:MOST]
    plain = isinstance(error, (ValueError, RuntimeError, OSError, UserError)) or type(error).__module__ != "builtins"
    return text if text and plain else f"{type(error).__name__}: {text}".rstrip(": ")


def describe(error: BaseException) -> dict:
    """An error's class in the builder's words, and its message: the first line, or what a person can mend."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, JobError):
        return {"class": error.kind, "message": text}
    if isinstance(error, MemoryError) or any(words in text.lower() for words in WANT_OF_MEMORY):
        return {"class": "memory", "message": first_line(error)}
    if isinstance(error, UserError):
        return {"class": "user", "message": text}
    if isinstance(error, OSError) and error.errno is not None:
        return {"class": "system", "message": text}
    return {"class": "internal", "message": f"{type(error).__name__}: {' '.join(text.split())[:MOST]}"}
