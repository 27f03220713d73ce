"""A release folder, read and checked against itself and this host before anything in it is opened."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FORMAT as MANIFEST_FORMAT
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.artifact.release_index import FILENAME, FORMAT, Bucket, ReleaseIndex
from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import ReleaseError
from neuronbuild.host import cpu_flags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.signature import Signature

AGAIN = "write the release again with `neuronbuild apply`"


@dataclass(frozen=True, slots=True)
class CompiledShape:
    """One bucket of a release, as the runtime sees it. `limits` says, by input, which ids its tables end before."""

    graph: str
    shape: Shape
    folder: Path
    signature: Signature
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReleaseFolder:
    """A release that this host can run."""

    folder: Path
    index: ReleaseIndex
    buckets: tuple[CompiledShape, ...]


def read_release(folder: Path) -> ReleaseFolder:
    """Read a release folder.

    Raises:
        ReleaseError: it is none, something is missing or cut short, or it was compiled for another torch or CPU.
    """
    index = read_index(folder)
    for file in index.files:
        path = folder / file.path
        size = path.stat().st_size if path.is_file() else None
        if size != file.size:
            problem = f"{file.path} is {'missing' if size is None else f'{size:,} bytes long instead of {file.size:,}'}"
            raise ReleaseError(str(folder), problem, hint=AGAIN)
    _check_host(folder, index)
    return ReleaseFolder(folder, index, tuple(_read_bucket(folder, bucket) for bucket in index.buckets))


def read_index(folder: Path) -> ReleaseIndex:
    """The index of a release folder.

    Raises:
        ReleaseError: there is none, or it can't be read.
    """
    try:
        return decode(ReleaseIndex, (folder / FILENAME).read_bytes(), newest=FORMAT)
    except OSError:
        problem = f"it is no release: it has no {FILENAME}" if folder.is_dir() else "there is no such folder"
        raise ReleaseError(str(folder), problem, hint="name a folder that `neuronbuild apply` wrote") from None
    except DecodeError as error:
        hint = "install a newer neuronbuild" if error.future else AGAIN
        raise ReleaseError(str(folder), f"its {FILENAME} can't be read: {error}", hint=hint) from None


def _read_bucket(folder: Path, bucket: Bucket) -> CompiledShape:
    place = folder / bucket.folder
    try:
        manifest = decode(Manifest, (place / "manifest.json").read_bytes(), newest=MANIFEST_FORMAT)
    except (OSError, DecodeError) as error:
        raise ReleaseError(str(folder), f"{bucket.folder}/manifest.json can't be read: {error}", hint=AGAIN) from None
    if manifest.signature is None or manifest.key != bucket.key:
        raise ReleaseError(str(folder), f"{bucket.folder} holds another artifact than the index says", hint=AGAIN)
    return CompiledShape(bucket.graph, Shape.of(bucket.shape), place, manifest.signature, _limits(manifest))


def _limits(manifest: Manifest) -> dict[str, int]:
    """How many ids each input's table has, as the config that was compiled says; 0 there means that there is no table."""
    model = manifest.action.get("model")
    config = model.get("config") if isinstance(model, dict) else None
    if not isinstance(config, dict):
        return {}
    words = config.get("vocab_size")
    sizes = {"input_ids": words, "token_type_ids": config.get("type_vocab_size", words)}  # XLM looks types up among words
    return {name: size for name, size in sizes.items() if isinstance(size, int) and size > 0}


def _check_host(folder: Path, index: ReleaseIndex) -> None:
    """Compiled code is native code: on another torch or a lesser CPU it would crash, or worse."""
    if index.platform != "cpu":
        raise ReleaseError(str(folder), f"it was compiled for {index.platform}, which this version can't run")
    flags, versions = index.toolchain.get("flags"), index.toolchain.get("versions")
    needed = set(flags.get("cpu_flags", ())) if isinstance(flags, dict) else set()
    lacking = sorted(needed - cpu_flags())
    if lacking:
        problem = f"it was compiled for a CPU with {', '.join(lacking)}, which this one lacks"
        raise ReleaseError(str(folder), problem, hint="compile on this machine, or set a lower `isa` in neuronbuild.yaml")
    wanted = versions.get("torch") if isinstance(versions, dict) else None
    try:
        here = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise ReleaseError(str(folder), "torch is not installed", hint="pip install 'neuronbuild[cpu]'") from None
    if wanted != here:
        problem = f"it was compiled with torch {wanted}, here is torch {here}"
        raise ReleaseError(str(folder), problem, hint=f"install torch {wanted}, or {AGAIN}")
