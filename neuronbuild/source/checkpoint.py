"""What a checkpoint says or holds besides plain weights that would change what a library loads: refused, by name.

transformers applies an adapter that lies beside a model, loads quantized weights as such, and takes another file of weights
where the config names one. A build does none of this, so its results would be other ones.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NoReturn

from neuronbuild.artifact.snapshot import is_weight, is_weight_index
from neuronbuild.errors import SourceError, UnsupportedModelError
from neuronbuild.source.files import PIPELINE, TRANSFORMERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from neuronbuild.source.files import Layout

ADAPTER = "adapter_config.json"
"""How PEFT, and transformers with it, finds an adapter."""

MERGE = "merge it into its base model (peft: `merge_and_unload()`), save the result with its tokenizer, and give that folder"

QUANTIZED = ("quantization_config", "compression_config", "quantization")
"""Keys of a config under which a method of quantization is described; the last one is MLX's."""

METHODS = ("quant_method", "quant_algo", "format")
"""Keys that name the method there."""

QUANTIZED_FILES = {
    "quantize_config.json": "GPTQ",
    "quant_config.json": "AWQ",
    "hf_quant_config.json": "NVIDIA ModelOpt",
    "quantization_config.json": "quantization",
    "quanto_qmap.json": "optimum-quanto",
    "quantization_map.json": "optimum-quanto",
    "qmodel.pt": "HQQ",
}
"""Files that say the same beside a config, and whose they are."""

FULL_PRECISION = "give the checkpoint in full precision that it was made from"

EXPLICIT = "transformers_weights"
"""The key of a config that names the file of weights to load."""

SAVE_AGAIN = "load it with the library that wrote it, and save it with transformers"

OTHER_WEIGHTS = {
    "model.*.safetensors": "load it in transformers with that `variant`, and save it without one",
    "model.*-of-*.safetensors": "load it in transformers with that `variant`, and save it without one",
    "pytorch_model.*.bin": "load it in transformers with that `variant`, and save it without one",
    "pytorch_model.*-of-*.bin": "load it in transformers with that `variant`, and save it without one",
    "model-*-of-*.safetensors": "get its index, model.safetensors.index.json, as well",
    "pytorch_model-*-of-*.bin": "get its index, pytorch_model.bin.index.json, as well",
    "*.gguf": "name the file itself as the model: `./folder/file.gguf`",
    "*.h5": SAVE_AGAIN,
    "*.msgpack": SAVE_AGAIN,
    "*.ckpt*": SAVE_AGAIN,
    "*.onnx": "give the model that it was exported from",
    "*.ot": SAVE_AGAIN,
    "*.pth": SAVE_AGAIN,
    "*.pt": SAVE_AGAIN,
    "*.nemo": SAVE_AGAIN,
    "*.safetensors": SAVE_AGAIN,
    "*.bin": SAVE_AGAIN,
}
"""Weights that transformers doesn't load by itself, in the order in which they are told, and what can be done."""

NOT_WEIGHTS = ("training_args.bin", "optimizer.*", "scheduler.*", "rng_state*", "scaler.*")
"""What training leaves beside weights."""


def refuse_config(reference: str, config: Mapping[str, object], *, name: str = "config.json", trusted: bool = False) -> None:
    """Stop at a config that asks for more than plain weights in transformers' own classes.

    Raises:
        UnsupportedModelError: it needs code of its own and isn't `trusted`, is quantized, or names its file of weights.
    """
    if "auto_map" in config and not trusted:
        raise UnsupportedModelError(
            reference,
            "it needs Python code of its own, which a build would run on this machine",
            hint="take a model of one of transformers' own classes: this version compiles no others, trusted or not",
        )
    for key, said in _quantized(config):
        method = next((str(said[word]) for word in METHODS if word in said), "an unnamed method")
        problem = f"its weights are quantized ({method}: {key} in {name}), and only weights in full precision are compiled"
        raise UnsupportedModelError(reference, problem, hint=FULL_PRECISION)
    if config.get(EXPLICIT) is not None:
        problem = f"its {name} says {EXPLICIT}: {config[EXPLICIT]!r:.80}, and weights are only read from model.safetensors"
        raise UnsupportedModelError(
            reference, problem, hint="load it in transformers, and save it again: the key is left out then"
        )


def _quantized(config: Mapping[str, object], path: str = "") -> Iterator[tuple[str, Mapping[str, object]]]:
    """Descriptions of quantization in a config and in those within it, by their keys."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            if key in QUANTIZED:
                yield path + key, value
            else:
                yield from _quantized(value, f"{path}{key}.")


def refuse_files(reference: str, present: Collection[str], selected: Collection[str], layout: Layout) -> None:
    """Stop at files beside a model that would change what is loaded, and at weights in formats that aren't read.

    `present` are all files of the model, `selected` those that it would be made of.

    Raises:
        SourceError: it is no model.
        UnsupportedModelError: there is an adapter, a description of quantization, or nothing but weights of another kind.
    """
    if layout.document is None:
        return
    if layout.document not in present:
        _refuse_folder(reference, present, layout)
    for path in sorted(present):
        place, _, file = path.rpartition("/")
        if place and not (layout is PIPELINE and "/" not in place):
            continue
        if file == ADAPTER:
            problem = f"an adapter lies beside it ({path}), which transformers would apply and a build doesn't"
            raise UnsupportedModelError(reference, problem, hint=f"{MERGE}, or take the adapter's files away")
        if file in QUANTIZED_FILES:
            problem = f"its weights are quantized ({QUANTIZED_FILES[file]}: {path}), and only full precision is compiled"
            raise UnsupportedModelError(reference, problem, hint=FULL_PRECISION)
    if layout.library == TRANSFORMERS.library and not any(is_weight(name) or is_weight_index(name) for name in selected):
        _refuse_other_weights(reference, present)


def _refuse_folder(reference: str, present: Collection[str], layout: Layout) -> NoReturn:
    if ADAPTER in present:
        raise UnsupportedModelError(reference, f"it is an adapter ({ADAPTER}) and not a whole model", hint=MERGE)
    hint = f"choose a model in {layout.library}' format"
    inner = sorted(path.rpartition("/")[0] for path in present if path.endswith(f"/{layout.document}"))
    if inner:
        hint = f"there is one in its folder {inner[0]}: give that, or get the file that says what it is for (modules.json)"
    raise SourceError(reference, f"it has no {layout.document}", hint=hint)


def _refuse_other_weights(reference: str, present: Collection[str]) -> None:
    """Stop where there are weights of another kind only; a config alone can be planned with."""
    names = [name for name in sorted(present) if not any(fnmatchcase(name, pattern) for pattern in NOT_WEIGHTS)]
    for pattern, hint in OTHER_WEIGHTS.items():
        found = [name for name in names if fnmatchcase(name.rpartition("/")[2], pattern)]
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            problem = f"it has neither model.safetensors nor pytorch_model.bin; what it has is {found[0]}{more}"
            raise UnsupportedModelError(reference, problem, hint=hint)
