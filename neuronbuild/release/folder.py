"""A release folder, written whole or not at all; the same artifacts and snapshot give the same bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.manifest import FILENAME as MANIFEST
from neuronbuild.artifact.release_index import FILENAME, Bucket, ReleasedFile, ReleaseIndex
from neuronbuild.artifact.shape import Shape
from neuronbuild.artifact.snapshot import is_weight_index
from neuronbuild.digest import Digest, digest_bytes, digest_file
from neuronbuild.errors import BlobMissingError, DestinationError, ReleaseError, SourceError
from neuronbuild.files import UnsafeNameError, check_name, fold_name, parse_json, read_plain
from neuronbuild.release.card import render_card
from neuronbuild.release.check import check_bucket
from neuronbuild.release.layout import EXPORTED, lay_out
from neuronbuild.release.neuron_config import CONFIG, with_block
from neuronbuild.release.swap import put_in_place
from neuronbuild.release.weights import settle_weights
from neuronbuild.store.link import copy_file, link_file
from neuronbuild.store.trust import sign_index
from neuronbuild.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.digest import ActionKey
    from neuronbuild.release.layout import Layout
    from neuronbuild.release.request import ReleaseRequest, RunJob
    from neuronbuild.release.weights import Weights
    from neuronbuild.store.base import ArtifactReader, ArtifactStore

CARD = "README.md"
FOREIGN = "something in the store or the model isn't what it should be: `neuronbuild cache verify` tells more"
FULL = {errno.ENOSPC, errno.EDQUOT}
SPACE = "free some space or choose another --output, then run again"
ELSEWHERE = "choose an --output that can be written, then run again"


def write_release(
    request: ReleaseRequest, store: ArtifactStore, run: RunJob, is_current: Callable[[], bool] = lambda: False
) -> ReleaseIndex | None:
    """Write a release, in place of one that is there, and give its index.

    One process at a time writes a folder. `is_current` is asked once this process has its turn: another one may have written
    the release meanwhile. A release that is up to date stays as it is, since a process may have loaded it and not opened all
    of its files yet; the result is `None` then.

    Raises:
        ReleaseError: something else is in the folder's place, the disk can't take it, or a check fails.
        StoreError: an artifact is missing or damaged.
        SourceError: a file of the model isn't what its snapshot says.
    """
    place = Path(os.path.realpath(request.folder))  # beside the real folder, where the new one can be renamed to it
    with _writing(place) as temporary:
        _refuse_foreign(place)
        if is_current():
            return None
        index = sign_index(compose(request, store, run, Files(temporary)), store.trust)
        (temporary / FILENAME).write_bytes(encode(index))
        put_in_place(temporary, place)
    return index


def compose(request: ReleaseRequest, store: ArtifactStore, run: RunJob, files: Files) -> ReleaseIndex:
    """Put everything in that belongs into a release but its index, and give that."""
    index = _fill(request, store, run, files)
    files.put(CARD, render_card(index, request.model.snapshot).encode())
    listed = tuple(ReleasedFile(path, d.sha256, d.size) for path, d in sorted(files.digests.items()))
    return replace(index, files=listed)


class Files:
    """Files of a release as they are put in, each with its digest.

    Nothing is ever written over: what is there may be a hard link into the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, Digest] = {}
        self._taken = {fold_name(FILENAME): FILENAME}

    def place(self, path: str, digest: Digest) -> Path:
        """Where a file of that digest is about to be put: nothing is there yet.

        Raises:
            ReleaseError: the name is unsafe, or the release has a file of that name already.
        """
        try:
            taken = self._taken.setdefault(fold_name(check_name(path)), path)
        except UnsafeNameError as error:
            raise ReleaseError(self.root.name, str(error), hint=FOREIGN) from None
        if path in self.digests or taken != path or path == FILENAME:
            raise ReleaseError(self.root.name, f"two of its files would be called {path[:80]!a}", hint=FOREIGN)
        self.digests[path] = digest
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        return self.root / path

    def put(self, path: str, data: bytes) -> None:
        """Write bytes."""
        with self.place(path, digest_bytes(data)).open("xb") as file:
            file.write(data)

    def take_back(self, path: str) -> None:
        """Remove a file, if there is one, that another is to be put in place of."""
        if self.digests.pop(path, None) is not None:
            (self.root / path).unlink()

    def put_model_file(self, path: str, name: str, model: Model) -> None:
        """Copy a small file of the model."""
        digest = model.snapshot.files[name]
        place = self.place(path, digest)
        copy_file(model.open_file(name), place)
        _refuse_swapped(place, name, digest, model)

    def link_model_file(self, path: str, digest: Digest, request: ReleaseRequest) -> None:
        """Put a file of the model's weights in, as the request wants files linked."""
        mode = request.link_mode if request.model.immutable or request.link_mode != "auto" else "copy"
        place = self.place(path, digest)
        link_file(request.model.open_file(path).resolve(), place, mode)
        _refuse_swapped(place, path, digest, request.model)

    def put_blob(self, path: str, digest: Digest, store: ArtifactReader, request: ReleaseRequest) -> None:
        """Put a blob of the store in."""
        store.fetch(digest, self.place(path, digest), request.link_mode)


def _refuse_swapped(place: Path, path: str, digest: Digest, model: Model) -> None:
    """Stop at a file that is another one than was opened: its path, or a link there, was changed before it was put in."""
    if digest_file(place) != digest:
        place.unlink()
        raise SourceError(model.snapshot.model, f"{path} changed while it was being used", hint="run the same command again")


def _fill(request: ReleaseRequest, store: ArtifactStore, run: RunJob, files: Files) -> ReleaseIndex:
    manifests = [_manifest(store, key) for key in request.keys]
    weights = settle_weights(request, manifests, store, run)
    layout = lay_out(manifests, request.layout)
    _put_model_files(request, weights, layout, store, files)
    buckets = []
    for manifest in manifests:
        bucket = _put_bucket(request, manifest, layout, store, files)
        checks = check_bucket(request, manifest, weights, (files.root, bucket), store, run) if request.checked else ()
        buckets.append(replace(bucket, checks=checks))
    snapshot = request.model.snapshot
    return ReleaseIndex(
        name=request.name,
        task=request.task,
        platform=request.platform,
        model=snapshot.model,
        revision=snapshot.revision,
        snapshot=snapshot.digest.sha256,
        stamp=request.stamp,
        tool=f"neuronbuild {__version__}",
        dynamic_batch_size=request.dynamic_batch_size,
        padding_matters=any(manifest.padding_matters for manifest in manifests),
        buckets=tuple(buckets),
        bindings=weights.bindings,
        files=(),
        omitted_outputs=weights.omitted,
        toolchain=dict(request.toolchain),
        notes=layout.notes,
        loader=request.loader,
    )


def _manifest(store: ArtifactReader, key: ActionKey) -> Manifest:
    manifest = store.lookup(key)
    if manifest is None:
        raise BlobMissingError(store.location, key)
    return manifest


def _put_model_files(request: ReleaseRequest, weights: Weights, layout: Layout, store: ArtifactReader, files: Files) -> None:
    """Config and tokenizer as they are (but for the config that another tool's loader wants), and the weights."""
    model = request.model
    for name in _small_files(model, layout):
        files.put_model_file(name, name, model)
    for name in weights.files:
        files.link_model_file(name, model.snapshot.files[name], request)
    for entry in weights.derived:
        files.put_blob(entry.path, entry.digest, store, request)
    if layout.root is not None:
        files.take_back(CONFIG)
        files.put(CONFIG, with_block(model.config, request.task, layout.root))


def _small_files(model: Model, layout: Layout) -> list[str]:
    others = (name for name in model.snapshot.files if name not in model.snapshot.weights and not is_weight_index(name))
    return [name for name in others if layout.takes(name)]


def _put_bucket(request: ReleaseRequest, manifest: Manifest, layout: Layout, store: ArtifactReader, files: Files) -> Bucket:
    sizes = manifest.compiled.shape
    graph = manifest.compiled.graph
    folder = f"buckets/{graph}-{Shape.of(sizes).label}"
    places = {entry: layout.place(manifest, entry.path, folder) for entry in manifest.files}
    for entry, path in places.items():
        if entry.path.startswith(EXPORTED):
            files.take_back(path)  # a config of the exporter's own, over the model's
        files.put_blob(path, entry.digest, store, request)
    if layout.each:
        for name in _small_files(request.model, layout):
            if name != CONFIG:
                files.put_model_file(f"{folder}/{name}", name, request.model)
        files.put(f"{folder}/{CONFIG}", with_block(request.model.config, request.task, manifest))
    files.put(f"{folder}/{MANIFEST}", encode(manifest))
    return Bucket(graph, sizes, folder, manifest.key, file=places[manifest.files[0]])


def _refuse_foreign(folder: Path) -> None:
    """Never replace what no release put there: it could be anybody's work."""
    if not folder.exists():
        return
    foreign = folder.name if folder.is_file() else foreign_file(folder)
    if foreign is not None:
        problem = f"something else is in its place: {foreign}"
        raise ReleaseError(str(folder), problem, hint="move it away, or choose another --output")


def foreign_file(folder: Path, passed_over: Container[str] = ()) -> str | None:
    """A file of a folder that its index doesn't list. An index that can't be read is a damaged release's: all is ours.

    `passed_over` are names at the top that don't count.
    """
    listed = {FILENAME}
    try:
        loaded: Any = parse_json(read_plain(folder / FILENAME))
        listed |= {file["path"] for file in loaded["files"]}
    except FileNotFoundError:
        pass
    except PermissionError:
        raise
    except OSError:
        return FILENAME
    except (ValueError, KeyError, TypeError):
        return None
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    foreign = (name for name in names if name not in listed and name.partition("/")[0] not in passed_over)
    return min(foreign, default=None)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the release's place, held by one process at a time."""
    output, name = folder.parent, folder.name
    temporary = output / f".{name}.writing"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with FileLock(output / f".{name}.lock"):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                yield temporary
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, DestinationError) as error:
        cause = error.cause if isinstance(error, DestinationError) else error
        where = cause.filename2 or cause.filename or temporary
        problem = f"can't be written: {cause.strerror or cause} ({where})"
        raise ReleaseError(str(folder), problem, hint=SPACE if cause.errno in FULL else ELSEWHERE) from None
