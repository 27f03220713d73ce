"""Constants of a release, mapped from its files: no bytes are read until a graph uses them, and none are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import safetensors
import torch

from neuronbuild.errors import ReleaseError
from neuronbuild.runtime.hosts import AGAIN

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.artifact.signature import ConstantSpec
    from neuronbuild.runtime.reader import CompiledShape


@final
class Tensors:
    """All buckets of a release share one mapping of each tensor."""

    def __init__(self, folder: Path, index: ReleaseIndex) -> None:
        self._folder = folder
        self._bindings = index.bindings
        self._files: dict[Path, Any] = {}
        self._shared: dict[str, torch.Tensor] = {}

    def constants(self, bucket: CompiledShape) -> dict[str, torch.Tensor]:
        """Every constant of a bucket's graph, by name.

        Raises:
            ReleaseError: a tensor is missing, or isn't just what the graph was compiled for.
        """
        return {spec.name: self._checked(spec, self._tensor(spec, bucket)) for spec in bucket.signature.constants}

    def _tensor(self, spec: ConstantSpec, bucket: CompiledShape) -> torch.Tensor:
        if spec.in_artifact:
            return self._read(bucket.folder / "constants.safetensors", spec.name)
        if spec.name not in self._shared:
            binding = self._bindings.get(spec.name)
            if binding is None:
                problem = f"its index binds no tensor to the constant {spec.name}"
                raise ReleaseError(str(self._folder), problem, hint=AGAIN)
            self._shared[spec.name] = self._read(self._folder / binding.file, binding.tensor)
        return self._shared[spec.name]

    def _read(self, file: Path, name: str) -> torch.Tensor:
        try:
            if file not in self._files:
                self._files[file] = safetensors.safe_open(file, "pt")
            tensor: torch.Tensor = self._files[file].get_tensor(name)
        except (OSError, safetensors.SafetensorError) as error:
            problem = f"tensor {name} of {file.name} can't be read: {error}"
            raise ReleaseError(str(self._folder), problem, hint=AGAIN) from None
        return tensor

    def _checked(self, spec: ConstantSpec, tensor: torch.Tensor) -> torch.Tensor:
        """AOTInductor itself binds anything: a wrong dtype or shape gives garbage without an error."""
        found = (str(tensor.dtype).rpartition(".")[2], tuple(tensor.shape), tuple(tensor.stride()))
        wanted = (spec.dtype, spec.shape, spec.stride)
        if found != wanted or not tensor.is_contiguous():
            problem = f"constant {spec.name} is {_words(found)}, the graph was compiled for {_words(wanted)}"
            raise ReleaseError(str(self._folder), problem, hint=AGAIN)
        return tensor


def _words(kind: tuple[str, tuple[int, ...], tuple[int, ...]]) -> str:
    dtype, shape, stride = kind
    return f"{dtype} of shape {list(shape)} and strides {list(stride)}"
