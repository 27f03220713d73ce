"""The `neuron` block of a config.json: what optimum-neuron's loader reads of a traced model.

It takes every `static_` key for an axis, and wants compiler type and version both or not at all; what else it doesn't know
it leaves alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from neuronbuild.version import __version__

if TYPE_CHECKING:
    from neuronbuild.artifact.action import CompilerPart
    from neuronbuild.artifact.manifest import Manifest

CONFIG = "config.json"

COMPILERS = {"neuronx": "neuronx-cc", "neuron": "neuron-cc"}
FLOATS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
CASTS = {"matmult": "matmul", "all": "all"}
SENTENCES = "transformer"
"""The loader's model type for a sentence-transformers model, whatever is inside."""

OF_CONFIG = ("num_channels", "width", "height")
PAIRS = "image_batch_size"
"""Axes that the loader takes from an image model's config, and must be told only for models of texts and images."""


def with_block(config: Mapping[str, object], task: str, manifest: Manifest) -> bytes:
    """A model's config with the block for one artifact, and the size of images that it takes."""
    merged = {**config, **_image_size(config, manifest.compiled.shape), "neuron": make_block(task, manifest)}
    return (json.dumps(merged, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def make_block(task: str, manifest: Manifest) -> dict[str, object]:
    """All keys that the loader knows, and where it came from under a key of ours."""
    action = manifest.compiled
    model, compiler, shape = action.model, action.compiler, action.shape
    flags = _flags(compiler)
    cast = CASTS.get(flags.get("--auto-cast", ""))
    return {
        "auto_cast": cast,
        "auto_cast_type": flags.get("--auto-cast-type") if cast else None,
        "compiler_type": COMPILERS[action.toolchain.name],
        "compiler_version": compiler_version(manifest),
        "dynamic_batch_size": bool(compiler.dynamic_batch_size),
        "float_dtype": FLOATS[action.dtype],
        "inline_weights_to_neff": not action.is_separate,
        "instance_type": action.toolchain.platform,
        "int_dtype": "int64",
        "model_type": SENTENCES if model.sentence_modules is not None else model.model_type,
        "optlevel": flags.get("--optlevel", "2"),
        "output_attentions": False,
        "output_hidden_states": False,
        **{f"static_{axis}": size for axis, size in shape.items() if axis not in OF_CONFIG or PAIRS in shape},
        "task": task,
        "tensor_parallel_size": 1,
        "neuronbuild": {
            "version": __version__,
            "action": manifest.key,
            "arguments": compiler.arguments and list(compiler.arguments),
            "weights": action.weights,
        },
    }


def _image_size(config: Mapping[str, object], shape: Mapping[str, int]) -> dict[str, object]:
    """The compiled size of images in the config's own words, which is where the loader looks; some configs state none."""
    height, width = shape.get("height"), shape.get("width")
    if height is None or PAIRS in shape or config.get("image_size") == [height, width]:
        return {}
    return {"image_size": height if height == width else [height, width]}


def compiler_version(manifest: Manifest) -> str:
    """The compiler's full version: as it was when it compiled, else as it was planned for."""
    toolchain = manifest.compiled.toolchain
    name = COMPILERS[toolchain.name]
    for versions in (manifest.facts.get("versions"), toolchain.versions):
        if isinstance(versions, Mapping) and name in versions:
            return str(versions[name])
    return ""


def _flags(compiler: CompilerPart) -> dict[str, str]:
    pairs = (word.partition("=") for word in compiler.arguments or ())
    return {flag: value for flag, _, value in pairs}
