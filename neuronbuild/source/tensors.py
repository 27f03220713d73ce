"""Names of tensors that tell of more than a model's own weights: adapters and quantization that no config speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.artifact.header import HeaderError, read_header
from neuronbuild.errors import UnsupportedModelError
from neuronbuild.source.checkpoint import FULL_PRECISION, MERGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file that Git LFS hasn't fetched begins with."""

OF_ADAPTERS = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "base_layer", "modules_to_save")
"""Parts of names that peft gives to tensors."""

QUANTIZED = (
    "qweight", "qzeros", "weight_packed", "weight_scale", "weight_scale_inv", "absmax", "quant_map", "nested_absmax", "SCB",
    "weight_format", "_scale", "_data",
)  # fmt: skip
"""Last parts of names that come with quantized weights: GPTQ's, AWQ's, compressed-tensors', bitsandbytes' and quanto's."""


def refuse_tensors(reference: str, paths: Mapping[str, Path]) -> None:
    """Stop at files of safetensors, of those by their names in a model, that hold more than the weights of a model.

    A file that can't be read is left to whoever needs its tensors.

    Raises:
        UnsupportedModelError: there are tensors of an adapter, or of quantized weights, or the file was never fetched.
    """
    for name, path in paths.items():
        if name.endswith(".safetensors"):
            _refuse_file(reference, path, name)


def _refuse_file(reference: str, path: Path, name: str) -> None:
    try:
        tensors = read_header(path)
    except HeaderError:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                problem = f"{name} is the pointer of a file that Git LFS hasn't fetched"
                raise UnsupportedModelError(reference, problem, hint="run `git lfs pull` in its folder") from None
        return
    for tensor in sorted(tensors):
        parts = tensor.split(".")
        if not set(parts).isdisjoint(OF_ADAPTERS):
            raise UnsupportedModelError(reference, f"{name} holds weights of an adapter ({tensor})", hint=MERGE)
        if parts[-1] in QUANTIZED:
            raise UnsupportedModelError(reference, f"{name} holds quantized weights ({tensor})", hint=FULL_PRECISION)
