"""Which tensor of which file each constant is: mapped as it lies where that can be, else named for conversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.release_index import Binding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from neuronbuild.artifact.signature import ConstantSpec

LEGACY_ENDINGS = {".weight": ".gamma", ".bias": ".beta"}
"""Names of layer norms' parameters in checkpoints converted from TensorFlow."""


@dataclass(frozen=True, slots=True)
class Match:
    """Constants that files hold exactly, and names (the model's own) of those that must be converted first."""

    bound: dict[str, Binding]
    unbound: dict[str, str]


def match_constants(
    constants: Iterable[ConstantSpec], headers: Mapping[str, Mapping[str, tuple[str, tuple[int, ...]]]], prefix: str
) -> Match:
    """Find each constant under one of the names that checkpoints use, with the very dtype and shape.

    `headers` is by file, then tensor; `prefix` is the model's `base_model_prefix`, which checkpoints have or lack.
    """
    places = {
        _in_model(file, tensor): (file, tensor, kind) for file, tensors in headers.items() for tensor, kind in tensors.items()
    }
    bound: dict[str, Binding] = {}
    unbound: dict[str, str] = {}
    for constant in constants:
        if constant.in_artifact:
            continue
        found = next((name for name in _candidates(constant.tied, prefix) if name in places), None)
        if found is not None and places[found][2] == (constant.dtype, constant.shape):
            bound[constant.name] = Binding(*places[found][:2])
        else:
            unbound[constant.name] = constant.tied[0]
    return Match(bound, unbound)


def _in_model(file: str, tensor: str) -> str:
    """A tensor's name in the model: a part that lies in a folder of its own is named after it."""
    folder, _, _ = file.rpartition("/")
    return f"{folder}.{tensor}" if folder else tensor


def _candidates(names: Iterable[str], prefix: str) -> Iterator[str]:
    for name in names:
        for whole in (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}.")):
            yield whole
            for ending, legacy in LEGACY_ENDINGS.items():
                if whole.endswith(ending):
                    yield whole.removesuffix(ending) + legacy
