"""Keywords of optimum-neuron 0.4.5's calls that have no counterpart, and the values at which they ask for nothing.

Those are its own defaults, and what comes to the same here. `None` asks for nothing with each of them. Whatever else they say
is refused by name: by `words`, which knows what to do instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from neuronbuild.errors import UsageError
from neuronbuild.recipe.words import REASONS, unknown_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = ("model.neuron",)
"""What its files are called, unless they are named."""

IDLE: dict[str, tuple[object, ...]] = {
    "_commit_hash": (),
    "atol": (),
    "cache_dir": (),
    "compiler_workdir": (),
    "config": (),
    "controlnet_file_name": FILE,
    "controlnet_ids": ([], ()),
    "data_parallel_mode": ("none",),
    "decoder_file_name": FILE,
    "disable_fallback": (False,),
    "disable_fast_relayout": (False,),
    "disable_neuron_cache": (False,),
    "do_validation": (True,),
    "encoder_file_name": FILE,
    "encoder_hidden_size": (),
    "endpoint": (),
    "exporter_config_kwargs": ({},),
    "feature_size": (),
    "file_name": (),
    "force_download": (False,),
    "image_encoder_file_name": FILE,
    "image_encoder_shapes": (),
    "image_size": (),
    "ip_adapter_args": (),
    "ip_adapter_id": ([], ()),
    "ip_adapter_scale": ([], ()),
    "ip_adapter_subfolder": ([], ()),
    "ip_adapter_weight_name": ([], ()),
    "library_name": ("transformers",),
    "load_weights": (True,),
    "local_files_only": (False,),
    "lora_adapter_names": ([], ()),
    "lora_args": (),
    "lora_model_ids": ([], ()),
    "lora_scales": ([], ()),
    "lora_weight_names": ([], ()),
    "model_name": (),
    "model_save_dir": (),
    "nb_max_frames": (),
    "nb_points_per_image": (),
    "neuron_config": (),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
    "patch_size": (),
    "point_batch_size": (),
    "revision": ("main",),
    "rotary_axes_dim": (),
    "subfolder": ("",),
    "submodels": ({},),
    "text_encoder_2_file_name": FILE,
    "text_encoder_file_name": FILE,
    "token": (True,),
    "transformer_file_name": FILE,
    "trust_remote_code": (False,),
    "unet_file_name": FILE,
    "unet_id": (),
    "use_auth_token": (True,),
    "vae_decoder_file_name": FILE,
    "vae_encoder_file_name": FILE,
    "vae_scale_factor": (),
    "visual_seq_length": (),
}
"""Its keywords, each with the values besides `None` that ask for nothing.

`revision` is one of ours as well: models on the Hub are of `main` where nothing is said, and others have no revisions.
"""

MAPPINGS = ("compiler_args", "input_shapes")
"""Keywords that hold others, which are needed to compile."""

TOKENS = ("token", "use_auth_token")
"""Keywords whose values are secrets."""


def settle(call: str, given: Mapping[str, object], *, export: bool = True) -> dict[str, Any]:
    """The arguments of a call, those in mappings put beside the others, less those that ask for nothing.

    Raises:
        UsageError: an argument is given twice, or a mapping where nothing is compiled.
    """
    settled: dict[str, Any] = {}
    for holder, value in given.items():
        for name, each in (_held(call, holder, value, export=export) if holder in MAPPINGS else {holder: value}).items():
            if name in settled:
                raise UsageError(f"{call}: {name} is given twice, once in a mapping of arguments")
            settled[name] = each
    return {name: value for name, value in settled.items() if not is_idle(name, value)}


def is_idle(name: str, value: object) -> bool:
    """Whether an argument asks for nothing; so does a token that is used in any case."""
    if name in TOKENS and isinstance(value, str) and value == os.environ.get("HF_TOKEN"):
        return True
    return name in IDLE and (value is None or any(type(value) is type(each) and value == each for each in IDLE[name]))


def refuse_others(call: str, names: Iterable[str], known: Iterable[str] = ()) -> None:
    """Stop at arguments that a call doesn't take.

    Raises:
        UsageError: at the first, with what to do instead.
    """
    for name in names:
        raise UsageError(f"{call}: {unknown_word('argument', name, known, REASONS)}")


def _held(call: str, holder: str, value: object, *, export: bool) -> dict[str, object]:
    """The arguments in a mapping of them.

    Raises:
        UsageError: it is none, or nothing is compiled that it could say anything of.
    """
    if value is None or value == {}:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{call}: {holder} should be a mapping of arguments to values")
    if not export:
        hint = "pass export=True to compile a model; a release is compiled already: leave this out"
        raise UsageError(f"{call}: {holder} can't be given without export=True", hint=hint)
    return value
