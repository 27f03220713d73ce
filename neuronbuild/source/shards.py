"""Weights in several files: just those that the index names, as the libraries load them. Others may be left from before."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from neuronbuild.artifact.snapshot import is_weight_index
from neuronbuild.errors import SourceError
from neuronbuild.files import UnsafeNameError, check_name, parse_json, read_plain
from neuronbuild.source.files import INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

INDEX_FIRST = "diffusion_pytorch_"
"""Beginning of the names that diffusers loads, which prefers an index to weights in one file; transformers doesn't."""


class LostShardsError(SourceError):
    """Files that an index of weights names and a model lacks, or an index that says nothing."""

    def __init__(self, model: str, names: list[str], problem: str) -> None:
        self.names = names
        super().__init__(model, f"{', '.join(names)} {problem}", hint="get the model's files again")


def settle_shards(reference: str, names: Iterable[str], present: Collection[str], path_of: Callable[[str], Path]) -> list[str]:
    """The selected files of a model without the weights that no library would load, and with all that an index names.

    `present` are all files of the model, selected or not; `path_of` gives the path of one that is opened here.

    Raises:
        LostShardsError: an index can't be read, or names a file that isn't there.
    """
    kept = set(names)
    for index in sorted(filter(is_weight_index, kept)):
        whole = index.removesuffix(INDEX)
        stem, _, suffix = whole.rpartition(".")
        kept -= {name for name in kept if fnmatchcase(name, f"{stem}-*.{suffix}")}
        if whole in kept and not whole.rpartition("/")[2].startswith(INDEX_FIRST):
            kept.discard(index)
            continue
        kept.discard(whole)
        named = _named(reference, index, path_of)
        if lost := sorted(named - set(present)):
            raise LostShardsError(reference, lost, f"can't be read, or is missing though {index} names it")
        kept |= named
    return sorted(kept)


def _named(reference: str, index: str, path_of: Callable[[str], Path]) -> set[str]:
    """The files that an index names, by their paths in the model."""
    place = index.rpartition("/")[0]
    try:
        loaded: Any = parse_json(read_plain(path_of(index)))
        named = {check_name(name) for name in {*loaded["weight_map"].values()}}
    except UnsafeNameError as error:
        raise LostShardsError(reference, [index], f"names a file that no model may have ({error})") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise LostShardsError(reference, [index], "can't be read, or is no index of weights") from None
    return {f"{place}/{name}" if place else name for name in named}
