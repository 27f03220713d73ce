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
import typing

from . import errors, forks, registry, supervise
from .contract import Answer


def main(lifeline: int) -> None:
    """Answer jobs until the input ends."""
    supervise.split(lifeline)
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as nothing:  # a compiler that reads its input must find an end, and no job
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    for line in jobs:
        _serve(line.strip(), answers)


def _serve(path: str, answers: typing.TextIO) -> None:
    """Do one job, in a process of its own if it asks for one: a fork of this one, or this one as its last job."""
    alone = _prepare(path)
    _flush()  # what is buffered would be written by both
    child = forks.fork() if alone else None
    if child:
        _save_coverage()
        forks.wait(child)
        return
    answer = _run(path)
    _save_coverage()
    _flush()
    answers.write(json.dumps({**answer, "last": alone and child is None}) + "\n")
    answers.flush()
    if child == 0:
        os._exit(forks.ANSWERED)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the log's disk is full: the answer is what counts
            stream.flush()


def _prepare(path: str) -> bool:
    """Whether a job asks for a process of its own; if so, what jobs of its kind import is imported here, for all forks."""
    job: dict[str, typing.Any] = {}
    with contextlib.suppress(Exception):  # the job meets the same, and answers it
        with open(path, encoding="utf-8") as file:
            job = json.load(file)
        if job.get("own_process"):
            registry.prepare(job["kind"])
    return bool(job.get("own_process"))


def _run(path: str) -> Answer:
    started = time.monotonic()
    try:
        with open(path, encoding="utf-8") as file:
            job = json.load(file)
        result = registry.function_of(job)(job)
    except Exception as error:  # noqa: BLE001 (whatever went wrong is the answer)
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return {"ok": False, "error": errors.describe(error), "seconds": time.monotonic() - started}
    return {"ok": True, "result": result, "seconds": time.monotonic() - started}


def _save_coverage() -> None:
    """Where coverage measures this process, have it write its figures: a worker is killed when no job is left for it."""
    coverage = sys.modules.get("coverage")
    measuring = None if coverage is None else coverage.Coverage.current()
    if measuring is not None:
        with contextlib.suppress(Exception):  # a full disk: the answer is what counts
            measuring.save()
