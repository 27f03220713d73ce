"""Weights from a checkpoint of any kind to the constants that a graph asks for.

Used where the files can't be mapped as they are: pickled, renamed, merged, of another dtype, or with parts missing.
transformers' own loading does the work, so that what it understands is understood here.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence

import safetensors
import safetensors.torch
import torch
import transformers

from . import graph, heads, model_patches
from .contract import Action, ConvertJob, ConvertResult
from .errors import UserError, one_line

FILE = "weights.safetensors"

OPTIONAL = {"pooler": "pooler_output", "masked_spec_embed": None}
"""Parts that checkpoints of fine-tuned models often lack, and the output that can't be had without them.

`masked_spec_embed` stands for sound that is hidden in training.
"""


def convert(job: ConvertJob) -> ConvertResult:
    """Write the constants named in the job, in the graph's dtype, as `weights.safetensors` into the job's folder."""
    action = job["action"]
    module, missing = load(job["model"], action, graph.weight_dtype(action))
    state = module.state_dict()
    tensors = {name: state[name].detach().clone().contiguous() for name in job["names"]}
    for name in missing:
        if name in tensors:
            tensors[name].zero_()
    safetensors.torch.save_file(tensors, os.path.join(job["folder"], FILE))
    return {
        "files": [FILE, *unpack(job["model"], action, job["folder"])],
        "omitted": omitted_outputs(missing),
    }


def unpack(model: str, action: Action, folder: str) -> list[str]:
    """Write what a GGUF file holds besides weights as files of their own, config and tokenizer, and give their names."""
    file = gguf_file(model)
    if file is None:
        return []
    place = os.path.join(folder, "unpacked")
    config = graph.make_config(action)
    config.architectures = [type(getattr(transformers, action["model"]["auto_class"]).from_config(config)).__name__]
    config.save_pretrained(place)
    transformers.AutoTokenizer.from_pretrained(model, gguf_file=file, local_files_only=True).save_pretrained(place)
    names = sorted(os.listdir(place))
    for name in names:
        os.rename(os.path.join(place, name), os.path.join(folder, name))
    return names


def gguf_file(model: str) -> str | None:
    """The name of a model's GGUF file, or `None`."""
    return next((name for name in os.listdir(model) if name.endswith(".gguf")), None)


def omitted_outputs(missing: Sequence[str]) -> list[str]:
    """The outputs that can't be had without what a checkpoint lacks."""
    omitted = {OPTIONAL.get(part) for name in missing for part in name.split(".")}
    return sorted(name for name in omitted if name is not None)


def load(model: str, action: Action, dtype: torch.dtype) -> tuple[torch.nn.Module, list[str]]:
    """The model with its real weights, and the names that the checkpoint lacks, all of them optional.

    Raises:
        UserError: the checkpoint can't be read, or doesn't hold this model.
    """
    auto, file = getattr(transformers, action["model"]["auto_class"]), gguf_file(model)
    try:
        module, said = auto.from_pretrained(
            model,
            config=graph.make_config(action),
            **{graph.DTYPE: dtype},
            attn_implementation=action["model"]["attention"],
            output_loading_info=True,
            **({"gguf_file": file} if file else {}),
            local_files_only=True,
            ignore_mismatched_sizes=True,  # reported below, in one sentence for all
        )
    except pickle.UnpicklingError as error:
        raise UserError("the checkpoint can't be read: it is damaged, or more than plain tensors were pickled") from error
    except (OSError, ValueError, RuntimeError, EOFError, safetensors.SafetensorError) as error:
        raise UserError(f"the checkpoint can't be read: {one_line(error)}") from error
    if said["mismatched_keys"]:
        name, found, wanted = min(said["mismatched_keys"])
        raise UserError(f"the checkpoint's {name} has shape {list(found)}, the config asks for {list(wanted)}")
    module = model_patches.patched(module.eval())
    persistent = module.state_dict()
    missing = sorted(name for name in said["missing_keys"] if name in persistent)
    lost = [name for name in missing if not set(name.split(".")) & set(OPTIONAL)]
    if lost:
        listing = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise UserError(f"the checkpoint has no weights for {listing}; is the task right for this model?")
    return heads.attach(module, action, dtype, model), missing
