"""A model's files as a folder that a worker can read: links to where they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Model


def link_model(model: Model, folder: Path) -> None:
    """Put just the snapshot's files there, each checked as it is opened.

    Raises:
        SourceError: a file isn't any more what the snapshot says.
    """
    for name in model.snapshot.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(model.open_file(name).resolve())


@contextlib.contextmanager
def linked_model(model: Model, folder: Path) -> Iterator[None]:
    """The same for a worker's job, and every file checked once more when the worker has read them.

    Raises:
        SourceError: a file isn't what the snapshot says: what was made of it isn't what its key says.
    """
    link_model(model, folder)
    yield
    for name in model.snapshot.files:
        model.open_file(name)
