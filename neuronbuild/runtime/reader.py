"""A release folder, read and checked against itself and this host before anything in it is opened."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import CompileAction
from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FILENAME as MANIFEST
from neuronbuild.artifact.manifest import FORMAT as MANIFEST_FORMAT
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.artifact.plain_files import READ, READ_FOLDERS, matching
from neuronbuild.artifact.release_index import FILENAME, FORMAT, Bucket, ReleaseIndex
from neuronbuild.artifact.shape import Shape
from neuronbuild.counts import counted
from neuronbuild.digest import Digest, digest_bytes, digest_file
from neuronbuild.errors import ReleaseError
from neuronbuild.files import read_plain
from neuronbuild.intact import MEMORY, IntactReleases
from neuronbuild.memo import user_cache
from neuronbuild.runtime.hosts import AGAIN, check_host
from neuronbuild.runtime.private import AlteredError, private_copy, private_package
from neuronbuild.tasks.limits import TYPE_SIZE, Known, input_limits, text_part
from neuronbuild.tasks.sentences import POOLING_MASK
from neuronbuild.tasks.table import MASK, TOKEN_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from neuronbuild.artifact.signature import Signature

PACKAGE = "model.pt2"
"""The compiled file where an index doesn't name it."""

STRANGE = "move it out of the folder; what shall be in a release goes into its model, then run `neuronbuild apply`"

LOST = "name a folder that `neuronbuild apply` wrote; a model is compiled first, by a recipe or with export=True in Python"


@dataclass(frozen=True, slots=True)
class CompiledShape:
    """One bucket of a release, as the runtime sees it: its folder, and its compiled file.

    `config` is the model's, as it was compiled; `files` are all files that were compiled, by path from the folder.
    `no_types` is the number that says that there are no token types, where zeros don't say it. `code` is a private copy of the
    compiled file, which was checked.
    """

    graph: str
    shape: Shape
    folder: Path
    file: Path
    signature: Signature
    config: Mapping[str, object]
    files: Mapping[str, Digest]
    no_types: int | None = None
    code: Path | None = None

    @property
    def loaded_from(self) -> Path:
        """The file that native code is loaded from."""
        return self.code or self.file

    @property
    def limits(self) -> dict[str, int]:
        """By input, which number its values end before, as the config says."""
        return input_limits(self.config)

    @property
    def known(self) -> Known:
        """What the config says of the inputs. A mask of ones says the same as none, and token types of zeros.

        Zeros that are looked up among the words are not the same as no token types: another number may say that. Where there
        is no table, token types say nothing, whatever they are.
        """
        table = text_part(self.config).get(TYPE_SIZE)
        types = self.no_types if table is None else 0
        defaults = {MASK: 1, POOLING_MASK: 1, **({} if types is None else {TOKEN_TYPES: types})}
        return Known(self.limits, defaults, frozenset({TOKEN_TYPES} if table == 0 else ()))

    @contextlib.contextmanager
    def verified(self, *, unpacked: bool) -> Iterator[CompiledShape]:
        """The same with a private copy of its compiled file: what is in there runs with this process's rights.

        All files are read and compared with what was recorded. `unpacked` says that the file is a package of torch's.

        Raises:
            ReleaseError: one was altered, or has gone, or can't be copied.
        """
        own = os.path.relpath(self.file, self.folder)
        for path, digest in self.files.items():
            if path != own:
                with self._explained(path):
                    if digest_file(self.folder / path) != digest:
                        raise AlteredError(path)
        with contextlib.ExitStack() as stack:
            with self._explained(own):
                copy = private_package if unpacked else private_copy
                code = stack.enter_context(copy(self.file, self.files[own]))
            yield replace(self, code=code)

    @contextlib.contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, PermissionError) and error.filename == str(self.folder / path):
                raise _unreadable(self.folder, path, error) from None
            hint = f"{AGAIN}; TMPDIR ({tempfile.gettempdir()}) must have room for a copy of it"
            raise ReleaseError(str(self.folder), f"{path} can't be read or copied: {error.strerror}", hint=hint) from None
        except AlteredError:
            problem = f"{path} was altered: it holds other bytes than were compiled"
            raise ReleaseError(str(self.folder), problem, hint=AGAIN) from None
        except ValueError as error:
            raise ReleaseError(str(self.folder), f"{path} isn't unpacked: {error}", hint=AGAIN) from None


@dataclass(frozen=True, slots=True)
class ReleaseFolder:
    """A release that this host can run. `state` is that of its index's file when it was read.

    `core` is the first NeuronCore that it is put on; `None` leaves that to the runtime.
    """

    folder: Path
    index: ReleaseIndex
    buckets: tuple[CompiledShape, ...]
    state: tuple[int, ...]
    core: int | None = None

    def refuse_replaced(self) -> None:
        """Stop at a folder that holds another release by now: code and weights of two would be mixed.

        Raises:
            ReleaseError: it was replaced or removed.
        """
        if _state(self.folder) != self.state:
            problem = "it was written anew since it was loaded"
            raise ReleaseError(str(self.folder), problem, hint="load it again; `warm=True` opens everything at once")

    def refuse_altered(self) -> None:
        """Stop at files that aren't what the index lists: before something that reads them by their names is let in.

        Raises:
            ReleaseError: one was altered, or lies there without being listed.
        """
        _refuse_unlisted(self.folder, self.index)
        _refuse_altered(self.folder, self.index, self.state)


def read_release(folder: Path, core: int | None = None) -> ReleaseFolder:
    """Read a release folder.

    Raises:
        ReleaseError: it is none, a file is missing, cut short or altered, or it was compiled for another torch, CPU or device.
    """
    state = _state(folder)
    index = read_index(folder)
    for file in index.files:
        size = _size(folder, file.path)
        if size != file.size:
            found = "missing" if size is None else f"{counted(size, 'byte')} long instead of {file.size:,}"
            raise ReleaseError(str(folder), f"{file.path} is {found}", hint=AGAIN)
    _refuse_unlisted(folder, index)
    _refuse_altered(folder, index, state)
    if not index.buckets:
        raise ReleaseError(str(folder), "it has no compiled shape", hint=AGAIN)
    check_host(folder, index)
    listed = {file.path: Digest(file.sha256, file.size) for file in index.files}
    buckets = tuple(_read_bucket(folder, bucket, listed) for bucket in index.buckets)
    return ReleaseFolder(folder, index, buckets, state, core)


def _refuse_unlisted(folder: Path, index: ReleaseIndex) -> None:
    """Stop at a file that transformers would read and that has no digest to check. Notes may lie there."""
    found: list[str] = []
    for part in ("", *READ_FOLDERS):
        try:
            with os.scandir(folder / part) as entries:
                found += [f"{part}/{entry.name}".lstrip("/") for entry in entries if not entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(folder, part or "its folder", error) from None
    strange = min({*matching(found, READ)} - {file.path for file in index.files}, default=None)
    if strange is not None:
        problem = f"{strange} isn't listed in its {FILENAME}, and would be used unchecked"
        raise ReleaseError(str(folder), problem, hint=STRANGE)


def _refuse_altered(folder: Path, index: ReleaseIndex, state: tuple[int, ...]) -> None:
    """Stop at files of other bytes than are listed: weights, too, which the graphs take as they are.

    Everything is read once for each state of the files, on this machine.
    """
    try:
        altered = _intact().first_altered(folder, [(file.path, file.sha256, file.size) for file in index.files])
    except OSError as error:
        raise ReleaseError(str(folder), f"{error.filename} can't be read: {error.strerror}", hint=AGAIN) from None
    if altered is None:
        return
    if _state(folder) != state:
        raise ReleaseError(str(folder), "it was written anew while it was read", hint="load it again")
    raise ReleaseError(str(folder), f"{altered} was altered: it holds other bytes than were released", hint=AGAIN)


@functools.cache
def _intact() -> IntactReleases:
    return IntactReleases(user_cache() / MEMORY)


def _state(folder: Path) -> tuple[int, ...]:
    """What tells one writing of a release from another; empty where there is none."""
    try:
        found = (folder / FILENAME).stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns)


def read_index(folder: Path) -> ReleaseIndex:
    """The index of a release folder.

    Raises:
        ReleaseError: there is none, or it can't be read.
    """
    try:
        return decode(ReleaseIndex, read_plain(folder / FILENAME), newest=FORMAT)
    except PermissionError as error:
        raise _unreadable(folder, FILENAME, error) from None
    except OSError:
        whole = folder.absolute().parent.parent  # of one shape, which optimum-neuron loads by itself
        hint = f"it is one shape of the release {whole}: load that" if (whole / FILENAME).is_file() else LOST
        problem = f"it is no release: it has no {FILENAME}" if folder.is_dir() else "there is no such folder"
        raise ReleaseError(str(folder), problem, hint=hint) from None
    except DecodeError as error:
        hint = "install a newer neuronbuild" if error.future else AGAIN
        raise ReleaseError(str(folder), f"its {FILENAME} can't be read: {error}", hint=hint) from None


def _size(folder: Path, path: str) -> int | None:
    """Bytes of a regular file, or `None` if there is none."""
    try:
        return (folder / path).stat().st_size if (folder / path).is_file() else None
    except PermissionError as error:
        raise _unreadable(folder, path, error) from None


def _unreadable(folder: Path, path: str, error: OSError) -> ReleaseError:
    """A file of a release that is there, as far as can be told, and belongs to somebody else."""
    return ReleaseError(str(folder), f"{path} can't be read: {error.strerror}", hint="ask its owner for the right to read it")


def _read_bucket(folder: Path, bucket: Bucket, listed: Mapping[str, Digest]) -> CompiledShape:
    place, path = folder / bucket.folder, f"{bucket.folder}/{MANIFEST}"
    try:
        data = read_plain(folder / path)
        manifest = decode(Manifest, data, newest=MANIFEST_FORMAT)
    except PermissionError as error:
        raise _unreadable(folder, path, error) from None
    except (OSError, DecodeError) as error:
        raise ReleaseError(str(folder), f"{path} can't be read: {error}", hint=AGAIN) from None
    action = manifest.action
    listed_so = manifest.key == bucket.key and digest_bytes(data) == listed.get(path)
    if manifest.signature is None or not isinstance(action, CompileAction) or not listed_so:
        raise ReleaseError(str(folder), f"{bucket.folder} holds another artifact than the index says", hint=AGAIN)
    file = folder / bucket.file if bucket.file else place / PACKAGE
    paths = [os.path.relpath(file, place), *(entry.path for entry in manifest.files[1:])]
    files = dict(zip(paths, (entry.digest for entry in manifest.files), strict=True))
    return CompiledShape(
        bucket.graph,
        Shape.of(bucket.shape),
        place,
        file,
        manifest.signature,
        action.model.config,
        files,
        action.model.no_token_types,
    )
