"""From a recipe's `model:` to the source that knows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.memo import user_cache
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import MODELS
from neuronbuild.source.local import PACKAGE_PREFIX, FolderSource, PackageSource

if TYPE_CHECKING:
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.source.base import Source
    from neuronbuild.source.files import Layout


def open_memory() -> DigestMemory:
    """The digest memory of this user."""
    return DigestMemory(user_cache() / "digests.json")


def is_folder_reference(reference: str) -> bool:
    """Whether a reference is a path: it starts like one, where a Hub id never does."""
    return reference.startswith(("./", "../", "/", "~")) or reference in {".", ".."}


def name_model(text: str) -> str:
    """A model as recipes name it: a folder or file that exists is one, whatever it looks like.

    A name too long for a path is none.
    """
    try:
        path = Path(text).expanduser()
        there = not text.startswith(PACKAGE_PREFIX) and path.exists()
    except (OSError, RuntimeError, ValueError):
        return text
    return str(path.resolve()) if there else text


def resolve_model(
    reference: str,
    revision: str | None,
    *,
    base: Path,
    memory: DigestMemory,
    trust_remote_code: bool = False,
    layouts: tuple[Layout, ...] = MODELS,
) -> Model:
    """Pin the model that a reference names.

    `base` is the folder that relative paths count from, `layouts` are the ways in which it may be saved.

    Raises:
        SourceError: it isn't there, can't be reached or can't be used.
    """
    source = _source_for(reference, base, memory)
    return source.resolve(reference, revision, trust_remote_code=trust_remote_code, layouts=layouts)


def _source_for(reference: str, base: Path, memory: DigestMemory) -> Source:
    if reference.startswith(PACKAGE_PREFIX):
        return PackageSource(memory)
    if is_folder_reference(reference):
        return FolderSource(base, memory)
    from neuronbuild.source.hub import HubSource  # httpx and all that only where a Hub id is used

    return HubSource(memory)
