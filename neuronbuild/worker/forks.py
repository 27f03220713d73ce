"""A process for one job, forked from one that has imported what the job needs.

A fork takes milliseconds, the imports of torch and transformers five to eight seconds. A process can't be forked safely once it
has threads: locks that another thread holds stay locked in the child. OpenBLAS ends its own threads before a fork; those of
OpenMP, which torch starts with its first parallel operator, stay.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from . import supervise

ANSWERED = 86
"""The exit status of a child that has answered its job. Whatever else ends it, a compiler included, has another."""

PATIENCE = 1.0
"""Seconds in which threads that were told to end are gone."""


def fork() -> int | None:
    """As `os.fork`: 0 in the child, the child's number in the parent; `None` where this process can't be forked safely."""
    gc.freeze()  # what is there now is never collected, so that the child copies no page of it only to count references
    if not _is_single_threaded():
        return None
    child = os.fork()
    if child == 0:
        supervise.die_with_parent()
    return child


def wait(child: int) -> None:
    """Wait for a child; end as it ended, unless it has answered."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) != ANSWERED:
        supervise.end_as(status)


def _is_single_threaded() -> bool:
    """Whether this process has no other threads, once libraries have ended those that they end before a fork."""
    if not sys.platform.startswith("linux"):
        return False
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    end = time.monotonic() + PATIENCE
    while len(os.listdir("/proc/self/task")) > 1:
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True
