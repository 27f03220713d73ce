"""Errors of a job: the classes that the builder knows, and what an exception is reported as.

Every module of the worker may import this one; it imports none of them.
"""

from __future__ import annotations

import typing

ErrorClass = typing.Literal["user", "internal", "memory", "timeout", "crash", "output", "system"]
"""Classes of a job's failure, as `neuronbuild.build.report.StepError.kind` describes them."""

ErrorRecord = typing.TypedDict("ErrorRecord", {"class": ErrorClass, "message": str})
"""A failure as the answer to a job holds it."""

OUT_OF_MEMORY = ("out of memory", "bad_alloc", "cannot allocate memory", "killed signal terminated program")
"""In the messages of allocators, of the kernel (ENOMEM) and of g++ (whose own child was killed) when no memory is left."""

MAX_MESSAGE = 400
"""Characters of a library's message that are passed on; the log has all of it."""


class JobError(Exception):
    """A failure whose class is known."""

    def __init__(self, kind: ErrorClass, message: str) -> None:
        self.kind: ErrorClass = kind
        super().__init__(message)


class UserError(Exception):
    """A failure that the author of the recipe can fix: reported without a traceback."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class where the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(error: BaseException) -> str:
    """An error's message in one line; with its type where the text alone explains nothing (`'gelu'`)."""
    text = " ".join(str(error).split())[:MAX_MESSAGE]
    plain = isinstance(error, (ValueError, RuntimeError, OSError, UserError)) or type(error).__module__ != "builtins"
    return text if text and plain else f"{type(error).__name__}: {text}".rstrip(": ")


def describe(error: BaseException) -> ErrorRecord:
    """An error's class and message: the whole message where a person can fix it, else a line of it."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, JobError):
        return {"class": error.kind, "message": text}
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return {"class": "memory", "message": first_line(error)}
    if isinstance(error, UserError):
        return {"class": "user", "message": text}
    if isinstance(error, OSError) and error.errno is not None:
        return {"class": "system", "message": text}
    return {"class": "internal", "message": f"{type(error).__name__}: {' '.join(text.split())[:MAX_MESSAGE]}"}
