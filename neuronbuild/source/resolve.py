"""From a recipe's `model:` to the source that knows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.errors import SourceError, UnsupportedModelError
from neuronbuild.memo import user_cache
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import MODELS
from neuronbuild.source.local import COUNTED, PACKAGE_PREFIX, FolderSource, PackageSource, is_gguf

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


@dataclass(frozen=True, slots=True)
class Search:
    """How a model is looked for: in which of the ways it may be saved, and whether its code is trusted.

    `offline`: one on the Hub is what the Hub's local cache has of it.
    """

    layouts: tuple[Layout, ...] = MODELS
    trust_remote_code: bool = False
    offline: bool = False


ANY = Search()


def resolve_model(reference: str, revision: str | None, *, base: Path, memory: DigestMemory, search: Search = ANY) -> Model:
    """Pin the model that a reference names; `base` is the folder that relative paths count from.

    Raises:
        SourceError: it isn't there, can't be reached or can't be used.
    """
    source = _source_for(reference, base, memory, offline=search.offline)
    try:
        return source.resolve(reference, revision, trust_remote_code=search.trust_remote_code, layouts=search.layouts)
    except UnsupportedModelError:
        raise
    except SourceError as error:
        _mention_folder(error, reference, base)
        raise


def refuse_missing(reference: str, base: Path) -> None:
    """Stop at a folder or package that isn't there. Models on the Hub aren't looked for.

    Raises:
        SourceError: it isn't there.
    """
    memory = DigestMemory(None)
    try:
        if reference.startswith(PACKAGE_PREFIX):
            PackageSource(memory).locate(reference)
        elif is_folder_reference(reference):
            FolderSource(base, memory).locate(reference)
    except SourceError as error:
        _mention_folder(error, reference, base)
        raise


def _mention_folder(error: SourceError, reference: str, base: Path) -> None:
    """Add to an error that there is a folder of such a name nearby."""
    if reference.startswith((PACKAGE_PREFIX, "/", "~")):
        return
    name = os.path.normpath(reference).lstrip("./")
    for place in (base, base.parent, Path.cwd()):
        folder = place / name
        tried = is_folder_reference(reference) and folder.resolve() == (base / reference).resolve()
        if name and not tried and _is_model(folder):
            path = os.path.relpath(folder, base)
            written = path if path.startswith("..") else f"./{path}"
            more = f"; {error.hint}" if error.hint and error.hint != COUNTED else ""
            error.hint = f"there is a folder {folder}: write `model: {written}` ({COUNTED}){more}"
            return


def _is_model(path: Path) -> bool:
    try:
        return path.is_dir() or is_gguf(path)
    except OSError:  # no name that a folder could have, or one that may not be looked at
        return False


def _source_for(reference: str, base: Path, memory: DigestMemory, *, offline: bool) -> Source:
    if reference.startswith(PACKAGE_PREFIX):
        return PackageSource(memory)
    if is_folder_reference(reference):
        return FolderSource(base, memory)
    from neuronbuild.source.hub import HubSource  # httpx and all that only where a Hub id is used

    return HubSource(memory, offline=offline)
