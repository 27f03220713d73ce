"""The folders that jobs work in: errors of theirs, and what a full disk has to do with a failed job."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from neuronbuild.build.report import StepError
from neuronbuild.errors import NeuronBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


ADVICE = "free some space, or have {} name a folder that can be written"
OURS = "XDG_CACHE_HOME"
THEIRS = "TMPDIR"
"""The variables that say where our scratch folder is, and where a compiler keeps its temporary files."""

PLACES = ("TORCHINDUCTOR_CACHE_DIR", THEIRS)
"""Variables of a worker's environment that name folders it writes to, besides the job's own."""

WORDS = (b"no space left on device", b"disk quota exceeded", b"not enough space", b"errno 28", b"enospc")
"""What libraries and compilers say of a full disk."""

RECENT = 1 << 16
"""Bytes at the end of a log that are looked through."""

ENOUGH = 1 << 20
"""Bytes of free space below which a disk counts as full: a compiler has removed some of its files by the time it is asked."""

DOUBTFUL = {"internal", "crash", "output"}
"""Failures whose real cause may be the disk, though their message doesn't say so."""


class ScratchError(NeuronBuildError):
    """The folder that jobs work in can't be used; `as_step_error` is the same as the reason why a step failed."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        self.folder = folder
        where = cause.filename2 or cause.filename
        detail = f"{cause.strerror or cause}{f' ({where})' if where and str(where) != str(folder) else ''}"
        problem, advice = f"the scratch folder {folder} can't be used: {detail}", ADVICE.format(OURS)
        self.as_step_error = StepError("system", f"{problem}; {advice}")
        super().__init__(problem, hint=advice)


def blame_disk(error: StepError, log: bytes, folder: Path, environment: Mapping[str, str]) -> StepError:
    """A job's failure, of class `system` and with the folder named where it failed for want of disk space.

    `folder` is the job's own. A message or log may name a full disk, or the disk is seen to be full: a file that is mapped
    into memory there ends a process with SIGBUS, and a log there is cut short.
    """
    if error.kind not in {*DOUBTFUL, "system", "user"}:
        return error
    folders = {str(folder): OURS} | {
        environment[name]: _variable(name, environment) for name in PLACES if environment.get(name)
    }
    if THEIRS not in environment:
        folders[tempfile.gettempdir()] = THEIRS
    free = {path: _free(path) for path in folders}
    fullest = min(free, key=lambda path: free[path])
    is_full = free[fullest] < ENOUGH
    said = error.message.encode() + (log[-RECENT:] if error.kind in DOUBTFUL else b"")
    if not any(words in said.lower() for words in WORDS) and not (is_full and error.kind in DOUBTFUL):
        return error
    advice = ADVICE.format(folders[fullest])
    message = f"no space was left on the disk of {fullest}: {advice} ({error.message})"
    return replace(error, kind="system", message=message)


def _variable(name: str, environment: Mapping[str, str]) -> str:
    """What has a worker's folder be elsewhere: its TMPDIR is the user's own, or lies in our scratch folder."""
    return THEIRS if environment[name] == os.environ.get(name) else OURS


def _free(path: str) -> int:
    """Bytes that this user may still write there; plenty where that can't be told."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 1 << 62
    blocks = found.f_bavail if os.geteuid() else found.f_bfree
    return blocks * found.f_frsize
