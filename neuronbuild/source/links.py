"""Links in a model's folder: they may lead to other files of the model, and nowhere else.

A folder that somebody else made could otherwise have a private file of this machine put into a release. The Hub's local cache
is made of links, from `snapshots/COMMIT/` to the `blobs/` beside it, and those stay allowed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from neuronbuild.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

SHARED = re.compile(r"/blobs/[0-9a-f]{2}/[0-9a-f]{64}")
"""Where in its cache the Hub's client keeps files that several repositories share."""


def inside(reference: str, folder: Path, name: str) -> Path:
    """The path of a model's file, whatever folders and links are on the way to it.

    Raises:
        SourceError: a link leads out of the model.
    """
    path = folder / name
    root, real = os.path.realpath(folder), os.path.realpath(path)
    if real.startswith(f"{root}{os.sep}") or _is_cached(root, real):
        return path
    problem = f"{name} is, or lies behind, a link that leads out of it: to {real}"
    raise SourceError(reference, problem, hint="if that file belongs to the model, put a copy of it there")


def _is_cached(root: str, real: str) -> bool:
    """Whether a file of a commit's folder in the Hub's cache is one of its blobs."""
    commits = os.path.dirname(root)  # noqa: PTH120 (text in, text out)
    repository, name = os.path.split(commits)
    if name != "snapshots":
        return False
    cache = os.path.dirname(repository)  # noqa: PTH120
    is_shared = real.startswith(cache) and SHARED.fullmatch(real.removeprefix(cache)) is not None
    return real.startswith(f"{repository}/blobs/") or is_shared
