"""The lock: written from what recipes resolve to now, read to plan the same keys anywhere, compared to notice drift."""

from __future__ import annotations

import json
import os
import stat
import uuid
from typing import TYPE_CHECKING, Any, final

from neuronbuild.api.subjects import planning_documents
from neuronbuild.api.wanted import wanted_of
from neuronbuild.artifact.codec import DecodeError, decode_part
from neuronbuild.artifact.lockfile import FORMAT, LockedModel, LockFile, locked_toolchain
from neuronbuild.artifact.snapshot import Model
from neuronbuild.errors import LockError, SourceError, StoreError
from neuronbuild.files import parse_json, read_plain
from neuronbuild.source.checkpoint import refuse_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from neuronbuild.api.prepared import Prepared
    from neuronbuild.digest import Digest
    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.store.base import ArtifactReader

CONFIG = "config.json"
AGAIN = "run `neuronbuild lock` and commit the file"


def read_lock(path: Path | None) -> LockFile | None:
    """A lock file, or `None` if there is none.

    Raises:
        LockError: it is there, but can't be read.
    """
    if path is None:
        return None
    try:
        loaded: Any = parse_json(read_plain(path))
        stated = loaded.get("format")
        if isinstance(stated, int) and stated > FORMAT:
            raise LockError(
                str(path), f"it is of format {stated}, this version reads up to {FORMAT}", hint="update neuronbuild"
            )
        return decode_part(LockFile, loaded)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LockError(str(path), f"it can't be read: {error.strerror}", hint="check its permissions") from None
    except (OSError, ValueError, AttributeError, RecursionError, DecodeError) as error:
        raise LockError(str(path), f"it can't be read: {error}", hint=AGAIN) from None


def write_lock(path: Path, lock: LockFile) -> bool:
    """Write a lock file, and say whether it changed.

    Raises:
        LockError: it can't be written.
    """
    text = json.dumps(lock.as_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with temporary.open("x", encoding="utf-8") as file:  # a link in its place is not written through
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise LockError(str(path), f"it can't be written: {error.strerror}", hint="check its folder's permissions") from None
    return True


def make_lock(prepared: Iterable[Prepared], root: Path) -> LockFile:
    """A lock of what recipes came to. `root` is the folder that it will lie in."""
    models: dict[tuple[str, str | None, str], LockedModel] = {}
    toolchains = {}
    for each in prepared:
        subjects_here = {action.record.model.digest for _, action in each.steps}
        parts = each.model.parts or {"": each.model}
        for place, wanted in wanted_of(each.located).items():
            name = wanted.locked_as(root)
            subjects = models[name].subjects if name in models else ()
            models[name] = _locked(name, parts[place], (*subjects, *(() if place else subjects_here)))
        toolchains[each.options.toolchain, each.platform] = locked_toolchain(each.fingerprint)
    return LockFile(tuple(models.values()), tuple(toolchains.values()))


def _locked(name: tuple[str, str | None, str], model: Model, subjects: tuple[str, ...]) -> LockedModel:
    snapshot = model.snapshot
    return LockedModel(
        *name,
        commit=snapshot.revision,
        files=dict(snapshot.files),
        documents={CONFIG: dict(model.config), **planning_documents(model)},
        subjects=tuple(sorted({*subjects})),
        license=snapshot.license,
        gated=snapshot.gated,
    )


@final
class FetchedFiles:
    """Files of models that came out of a store, by digest. One that holds other bytes by now is fetched again."""

    def __init__(self, folder: Path, memory: DigestMemory) -> None:
        self._folder = folder
        self._memory = memory

    def get(self, digest: Digest, store: ArtifactReader) -> Path:
        """The path of a file of that digest.

        Raises:
            StoreError: the store hasn't got it either.
        """
        path = self._folder / digest.sha256[:2] / digest.sha256
        if not self._holds(path, digest):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            store.fetch(digest, temporary, "auto")
            temporary.replace(path)
        return path

    def _holds(self, path: Path, digest: Digest) -> bool:
        """Whether a plain file is there, of just these bytes: read, or remembered by its state."""
        try:
            return stat.S_ISREG(path.lstat().st_mode) and self._memory.digest(path) == digest
        except OSError:
            return False


@final
class LockedFiles:
    """Opens a locked model's files: from its source or from the store, whichever has the very bytes; asked in turn.

    `fetched` is where files from the store are kept.
    """

    def __init__(
        self,
        locked: LockedModel,
        resolve: Callable[[], Model],
        store: ArtifactReader,
        fetched: FetchedFiles,
        *,
        store_first: bool,
    ) -> None:
        self._locked = locked
        self._resolve = resolve
        self._store = store
        self._fetched = fetched
        self._order = (self._from_store, self._from_source) if store_first else (self._from_source, self._from_store)
        self._model: Model | None = None

    def __call__(self, name: str) -> Path:
        """The path of one file.

        Raises:
            SourceError: neither has it.
        """
        first, second = self._order
        try:
            return first(name)
        except (SourceError, StoreError) as problem:
            try:
                return second(name)
            except (SourceError, StoreError) as other:
                source = problem if isinstance(problem, SourceError) else other
                text = f"{name} is neither at its source nor in the store: {source.message}"
                hint = "on a machine that has the model, run `neuronbuild cache push --weights`"
                raise SourceError(self._locked.model, text, hint=hint) from None

    def _from_source(self, name: str) -> Path:
        if self._model is None:
            self._model = self._resolve()
        if self._model.snapshot.files.get(name) != self._locked.files[name]:
            raise SourceError(self._locked.model, f"{name} isn't the file that was locked", hint=AGAIN)
        return self._model.open_file(name)

    def _from_store(self, name: str) -> Path:
        return self._fetched.get(self._locked.files[name], self._store)


def locked_model(locked: LockedModel, open_file: Callable[[str], Path], *, described: bool) -> Model:
    """A model that is known from the lock alone until a file of it is opened.

    `described` says that it has a config: an adapter, which is a file of weights, has none.

    Raises:
        SourceError: the lock doesn't hold that config.
        UnsupportedModelError: this version compiles no such model, though the one that wrote the lock took it.
    """
    said = locked.documents.get(CONFIG)
    config = said if isinstance(said, dict) else {}
    if described and not isinstance(config.get("model_type"), str):
        raise SourceError(locked.model, f"the lock holds no usable {CONFIG} of it: it names no model_type", hint=AGAIN)
    refuse_config(locked.model, config, trusted=True)
    return Model(locked.snapshot, config, open_file, documents=locked.documents)
