"""Whether this host can run what a release holds: looked at before anything of it is opened, or any runtime started."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from neuronbuild.errors import ReleaseError
from neuronbuild.host import cpu_flags, neuron_platform
from neuronbuild.platforms import PLATFORMS, generation_of

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.platforms import Platform

AGAIN = "write the release again with `neuronbuild apply` (or `export=True`), or copy it again from where it was written"
"""What mends files that were altered, cut or lost."""

HERE = "compile it here with `neuronbuild apply` (or `export=True`)"

ANEW = (
    "its bytes are those that were compiled: see `neuronbuild doctor`, or compile it anew, with `neuronbuild cache rm KEY` "
    "(the key is in the manifest.json beside it) and then `neuronbuild apply`"
)
"""Advice where a file is whole and can't be used: writing the release again would give the same bytes."""

INDEX = "https://pip.repos.neuron.amazonaws.com"


def check_host(folder: Path, index: ReleaseIndex) -> None:
    """Compiled code is native code: on another torch, a lesser CPU or another device it would crash, or worse.

    Raises:
        ReleaseError: it was compiled for something else.
    """
    if index.toolchain.get("name") == "optimum":
        package, _, model_class = index.loader.rpartition(".")
        how = f"`from {package} import {model_class}`" if package else "the folder's README.md says how"
        problem = f"optimum-neuron exported it, and its {model_class or 'loader'} runs it"
        raise ReleaseError(str(folder), problem, hint=f"load it with optimum-neuron: {how}")
    row = PLATFORMS.get(index.platform)
    if row is None:
        raise ReleaseError(str(folder), f"it was compiled for {index.platform[:80]!a}, which is no platform", hint=AGAIN)
    if row.is_neuron:
        _check_device(folder, row)
    else:
        _check_cpu(folder, index)


def _check_cpu(folder: Path, index: ReleaseIndex) -> None:
    flags, versions = index.toolchain.get("flags"), index.toolchain.get("versions")
    listed = flags.get("cpu_flags") if isinstance(flags, dict) else None
    needed = set(map(str, listed)) if isinstance(listed, list) else set[str]()
    lacking = sorted(needed - cpu_flags())
    if lacking:
        problem = f"it was compiled for a CPU with {', '.join(lacking)}, which this one lacks"
        raise ReleaseError(str(folder), problem, hint="compile on this machine, or set a lower `isa` in neuronbuild.yaml")
    wanted = versions.get("torch") if isinstance(versions, dict) else None
    here = _version("torch")
    if here is None:
        raise ReleaseError(str(folder), "torch is not installed", hint="pip install 'neuronbuild[cpu]'")
    if wanted != here:
        problem = f"it was compiled with torch {wanted}, here is torch {here}"
        raise ReleaseError(str(folder), problem, hint=f"install torch {wanted}, or {HERE}")


def _check_device(folder: Path, row: Platform) -> None:
    here, platform = neuron_platform(), row.name
    if here is None:
        hint = f"run it on {platform}; for this host compile it with `--platform cpu`"
        raise ReleaseError(str(folder), f"it was compiled for {platform}, and this host has no Neuron device", hint=hint)
    if generation_of(here) not in {None, row.generation}:
        problem = f"it was compiled for {platform}, and this host is {here}, whose cores are others"
        raise ReleaseError(str(folder), problem, hint=f"compile it with platform {here}")
    if _version(row.framework) is None:
        hint = f"pip install --extra-index-url {INDEX} {row.framework}"
        problem = f"{row.framework} is not installed, which runs what was compiled for {platform}"
        raise ReleaseError(str(folder), problem, hint=hint)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
