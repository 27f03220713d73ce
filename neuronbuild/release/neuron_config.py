"""The `neuron` block of a config.json: what optimum-neuron's loader reads of a traced model.

It takes every `static_` key for an axis, and wants compiler type and version both or not at all; what else it doesn't know
it leaves alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from neuronbuild.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    merged = {**config, **_image_size(config, _part(manifest, "shape")), "neuron": make_block(task, manifest)}
    return (json.dumps(merged, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def make_block(task: str, manifest: Manifest) -> dict[str, object]:
    """All keys that the loader knows, and where it came from under a key of ours."""
    action, compiler, toolchain = manifest.action, _part(manifest, "compiler"), _part(manifest, "toolchain")
    flags = _flags(compiler)
    cast = CASTS.get(flags.get("--auto-cast", ""))
    model, config, shape = _part(manifest, "model"), _part(manifest, "model").get("config"), _part(manifest, "shape")
    kind = config.get("model_type") if isinstance(config, dict) else None
    return {
        "auto_cast": cast,
        "auto_cast_type": flags.get("--auto-cast-type") if cast else None,
        "compiler_type": COMPILERS[str(toolchain["name"])],
        "compiler_version": compiler_version(manifest),
        "dynamic_batch_size": bool(compiler.get("dynamic_batch_size")),
        "float_dtype": FLOATS[str(action["dtype"])],
        "inline_weights_to_neff": action["weights"] != "separate",
        "instance_type": toolchain["platform"],
        "int_dtype": "int64",
        "model_type": SENTENCES if "sentence_modules" in model else kind,
        "optlevel": flags.get("--optlevel", "2"),
        "output_attentions": False,
        "output_hidden_states": False,
        **{f"static_{axis}": size for axis, size in shape.items() if axis not in OF_CONFIG or PAIRS in shape},
        "task": task,
        "tensor_parallel_size": 1,
        "neuronbuild": {
            "version": __version__,
            "action": manifest.key,
            "arguments": compiler.get("arguments"),
            "weights": action["weights"],
        },
    }


def _image_size(config: Mapping[str, object], shape: Mapping[str, object]) -> dict[str, object]:
    """The compiled size of images in the config's own words, which is where the loader looks; some configs state none."""
    height, width = shape.get("height"), shape.get("width")
    if height is None or PAIRS in shape or config.get("image_size") == [height, width]:
        return {}
    return {"image_size": height if height == width else [height, width]}


def compiler_version(manifest: Manifest) -> str:
    """The compiler's full version: as it was when it compiled, else as it was planned for."""
    toolchain = _part(manifest, "toolchain")
    name = COMPILERS[str(toolchain["name"])]
    for versions in (manifest.facts.get("versions"), toolchain.get("versions")):
        if isinstance(versions, dict) and name in versions:
            return str(versions[name])
    return ""


def _part(manifest: Manifest, name: str) -> dict[str, object]:
    part = manifest.action.get(name)
    return part if isinstance(part, dict) else {}


def _flags(compiler: Mapping[str, object]) -> dict[str, str]:
    words = compiler.get("arguments")
    pairs = (str(word).partition("=") for word in words) if isinstance(words, list) else ()
    return {flag: value for flag, _, value in pairs}
