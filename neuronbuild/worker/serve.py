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

from . import errors, registry, supervise
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
        answer = _run(line.strip())
        _save_coverage()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the log's disk is full: the answer is what counts
                stream.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


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
