"""Copies of releases, to alter and to damage; and inputs for them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from neuronbuild.artifact.codec import decode, encode
from neuronbuild.artifact.manifest import FORMAT as MANIFEST_FORMAT
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.artifact.release_index import FILENAME, FORMAT, ReleasedFile, ReleaseIndex
from neuronbuild.digest import digest_file
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.runner import Runner
from tests.conftest import SIZES


def copy_release(release: Path, folder: Path) -> Path:
    """A release of one's own."""
    return Path(shutil.copytree(release, folder / release.name))


def open_runner(release: Path) -> Runner:
    """A release, ready to run."""
    return Runner(read_release(release))


def read_index(release: Path) -> ReleaseIndex:
    """What a release says of itself."""
    return decode(ReleaseIndex, (release / FILENAME).read_bytes(), newest=FORMAT)


def alter_index(release: Path, **changes) -> ReleaseIndex:
    """Have a release say something else of itself, with a seal that fits."""
    index = replace(read_index(release), **changes)
    (release / FILENAME).write_bytes(encode(index))
    return index


def list_anew(release: Path, path: str) -> ReleaseIndex:
    """Have a release list a file as it is now: what is wrong with the file is not that it was altered."""
    digest = digest_file(release / path)
    listed = ReleasedFile(path, digest.sha256, digest.size)
    return alter_index(release, files=tuple(listed if file.path == path else file for file in read_index(release).files))


def read_manifest(release: Path, bucket: int = 0) -> Manifest:
    """The manifest of one of a release's buckets."""
    file = release / read_index(release).buckets[bucket].folder / "manifest.json"
    return decode(Manifest, file.read_bytes(), newest=MANIFEST_FORMAT)


def random_inputs(batch: int, length: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tokens, token types and a mask that leaves the tail of some rows out."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.randint(1, length + 1, (batch, 1), generator=generator)
    kept[0] = length
    return {
        "input_ids": torch.randint(5, SIZES["vocab_size"], (batch, length), generator=generator),
        "attention_mask": (torch.arange(length) < kept).long(),
        "token_type_ids": torch.randint(0, 2, (batch, length), generator=generator),
    }
