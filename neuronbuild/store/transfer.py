"""Moving whole artifacts between two stores: blobs first, every one checked, then the manifest's very bytes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from neuronbuild.artifact.manifest import Manifest
from neuronbuild.counts import counted
from neuronbuild.digest import Pieces, digest_whole_and_pieces
from neuronbuild.errors import BlobCorruptError, BlobMissingError, DamageError, ManifestRefusedError, StoreError
from neuronbuild.store.cas import publish
from neuronbuild.store.cas_reader import UNREADABLE, quarantine, understand
from neuronbuild.store.concurrent import do_each
from neuronbuild.store.names import action_name, blob_name, list_blobs
from neuronbuild.store.objects.base import has_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from neuronbuild.digest import ActionKey, Digest
    from neuronbuild.store.cas import CasStore

AT_A_TIME = 8
"""Blobs of one artifact that are moved at a time."""

MANY = 20


def copy_artifact(source: CasStore, target: CasStore, key: ActionKey, may_publish: Callable[[], bool] = lambda: True) -> int:
    """Copy an artifact, unless the target has it, and give the bytes that went over. The log comes along if it can.

    `may_publish` is asked when all blobs are over.

    Raises:
        DamageError: of the source's. A damaged blob has been put aside there.
        StoreError: either place failed.
    """
    data = source.objects.read(action_name(key))
    manifest = "it isn't there" if data is None else understand(source, key, data)
    if data is None or isinstance(manifest, str):
        raise ManifestRefusedError(source.location, key, str(manifest))
    blobs = list(_blobs(manifest))
    listed = _listed(target) if len(blobs) > MANY else None

    def move(blob: tuple[Digest, Pieces | None]) -> int:
        is_new = listed is not None and blob[0].sha256 not in listed
        return _move_blob(source, target, *blob) if is_new else copy_blob(source, target, *blob)

    moved = sum(do_each(move, blobs, at_a_time=AT_A_TIME, name="blobs"))
    if manifest.log is not None:
        with contextlib.suppress(DamageError):  # an artifact is whole without it
            moved += copy_blob(source, target, manifest.log, None)
    if may_publish():
        publish(target, key, data)
    return moved


def complete(store: CasStore, keys: Collection[ActionKey]) -> set[ActionKey]:
    """Those of some keys whose record is handed out and whose files are listed: a GET for each, and a listing of the blobs.

    Records of others and of newer versions are complete as they are.
    """
    sizes = {sha256: entry.size for sha256, entry in list_blobs(store.objects)} if keys else {}

    def is_complete(key: ActionKey) -> bool:
        data = store.objects.read(action_name(key))
        manifest = UNREADABLE if data is None else understand(store, key, data)
        if not isinstance(manifest, Manifest):
            return manifest != UNREADABLE
        return all(sizes.get(digest.sha256) == digest.size for digest in manifest.blobs())

    whole = do_each(is_complete, keys, at_a_time=AT_A_TIME, name="records")
    return {key for key, is_whole in zip(keys, whole, strict=True) if is_whole}


def _listed(target: CasStore) -> set[str]:
    """Every blob that a store has: asking for many one by one would take more requests than sending them."""
    return {sha256 for sha256, _ in list_blobs(target.objects)}


def copy_blob(source: CasStore, target: CasStore, digest: Digest, pieces: Pieces | None) -> int:
    """Copy one blob, unless the target has it, and give the bytes that went over.

    Raises:
        DamageError, StoreError: as `copy_artifact`.
    """
    if has_in_use(target.objects, blob_name(digest.sha256), digest.size):
        return 0
    return _move_blob(source, target, digest, pieces)


def _move_blob(source: CasStore, target: CasStore, digest: Digest, pieces: Pieces | None) -> int:
    name = blob_name(digest.sha256)
    path = source.objects.local_path(name)
    if path is not None:
        _send(source, path, target, digest, pieces)
    else:
        target.objects.receive(name, lambda path: _take(source, digest, pieces, path))
    return digest.size


def copy_file_in(path: Path, digest: Digest, target: CasStore) -> int:
    """Put a file in that is known by digest, unless it is there, and give the bytes that went over.

    Raises:
        StoreError: also where it holds other bytes.
    """
    name = blob_name(digest.sha256)
    if has_in_use(target.objects, name, digest.size):
        return 0
    actual, pieces = digest_whole_and_pieces(path)
    if actual != digest:
        raise StoreError(target.location, f"{path} holds other bytes than it should: it isn't sent")
    target.objects.add_file(name, path, pieces or Pieces.whole(digest))
    return digest.size


def _send(source: CasStore, path: Path, target: CasStore, digest: Digest, pieces: Pieces | None) -> None:
    """Copy a file that is here."""
    name = blob_name(digest.sha256)
    found = source.objects.stat(name)
    if found is None:
        raise BlobMissingError(source.location, digest.sha256)
    if found.size != digest.size:
        _accuse(source, digest)
        raise BlobCorruptError(source.location, digest.sha256, f"{counted(found.size, 'byte')}, not {digest.size:,}")
    try:
        target.objects.add_file(name, path, pieces or Pieces.whole(digest))
    except StoreError:
        _accuse(source, digest)  # if the file is to blame, say that
        raise


def _take(source: CasStore, digest: Digest, pieces: Pieces | None, path: Path) -> None:
    """Fetch a blob to a path, right or not at all. Pieces that don't fit may be the manifest's fault: once more without."""
    name = blob_name(digest.sha256)
    for wanted in (pieces, Pieces.whole(digest)):
        if wanted is None:
            continue
        path.unlink(missing_ok=True)
        try:
            fetched = source.objects.read_to(name, path, "copy", wanted)
        except BlobCorruptError:
            continue
        if fetched is None:
            raise BlobMissingError(source.location, digest.sha256)
        if path.stat().st_size == digest.size:
            return
    path.unlink(missing_ok=True)
    _accuse(source, digest)
    raise BlobCorruptError(source.location, digest.sha256, f"not {counted(digest.size, 'byte')} of that SHA-256")


def _accuse(source: CasStore, digest: Digest) -> None:
    """Put a blob aside if it holds other bytes than its name says, where that may be changed.

    Raises:
        BlobCorruptError: it does.
    """
    actual = source.objects.digest(blob_name(digest.sha256))
    if actual is not None and actual.sha256 != digest.sha256:
        if not source.read_only:
            quarantine(source.objects, blob_name(digest.sha256))
        raise BlobCorruptError(source.location, digest.sha256, f"SHA-256 {actual.sha256}, {counted(actual.size, 'byte')}")


def _blobs(manifest: Manifest) -> Iterator[tuple[Digest, Pieces | None]]:
    seen = set()
    for entry in manifest.files:
        if entry.digest not in seen:
            seen.add(entry.digest)
            yield entry.digest, entry.pieces
