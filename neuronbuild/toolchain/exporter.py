"""Arguments of optimum-neuron's exporter. What it would drop, or stop at once all is compiled, is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.tasks import PIPELINES, TASKS
from neuronbuild.tasks.exports import DECODING, exports_of, refusal
from neuronbuild.tasks.pipelines import adapter_folder, controlnet_folder
from neuronbuild.tasks.table import BEAMS
from neuronbuild.toolchain.base import OptionError

if TYPE_CHECKING:
    from neuronbuild.artifact.action import ModelPart
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.recipe.target import Options
    from neuronbuild.tasks import Pipeline

EXPORTED_TASKS = {row.auto_class: name for name, row in TASKS.items() if row.delegated}
"""Our names of tasks, by the auto class of transformers or diffusers."""

WORDS = {"speech-seq2seq": "automatic-speech-recognition"}
"""Tasks that the exporter calls otherwise."""

MODEL = "model"
"""The folder that the worker puts the model into: the exporter runs beside it."""

CASTS = ("bf16", "fp16", "tf32")
DEFAULT_OPTLEVEL = 2
CAST, OPTLEVEL, EXTRA = ("compiler", "auto_cast"), ("compiler", "optlevel"), ("compiler", "extra_args")
DYNAMIC, CORES, DTYPE = ("dynamic_batch_size",), ("num_cores",), ("dtype",)
FULL = "float32"

LOADING = ("lazy_load", "async_load")
NEVER = (*(("compiler", name) for name in LOADING), EXTRA)
"""Keys of options that the exporter has no argument for."""

DROPPED = "optimum-neuron would drop this without a word"
WITHOUT_ENCODER = ("trn2",)
"""Platforms for which it can't compile the text encoder of a pipeline that it reads from the checkpoint anew."""

ONE_CORE = ("whisper",)
"""Model types of which the exporter hands several cores the folder's name instead of the model."""


def exporter_arguments(options: Options, model: ModelPart, version: str) -> list[str]:
    """The arguments for a model, but for its shape and its place.

    Raises:
        OptionError: the exporter would drop one of them, or can't do what they ask.
    """
    task = EXPORTED_TASKS.get(model.auto_class)
    if task is None:
        raise OptionError(_asked(options), "optimum-neuron isn't used for this task; leave this out")
    pipeline = PIPELINES.get(model.model_type)
    _refuse_dropped(options, task, pipeline)
    if pipeline is None:
        _refuse_model(options, model.model_type, task, version)
    else:
        _refuse_additions(options, model, pipeline)
    return [*_arguments(options, task), *(() if pipeline is None else _additions(options, model))]


def beams_fault(options: Options, shape: Shape, version: str) -> tuple[str, str] | None:
    """Why beams can't be spread over cores, at their axis: a version that can't trace how they change places."""
    if options.num_cores == 1 or shape.as_dict().get(BEAMS, 1) == 1 or exports_of(version).beams_over_cores:
        return None
    problem = f"optimum-neuron {version} can't compile beams over several cores (it stops at _share_filename_)"
    return BEAMS, f"{problem}: use {BEAMS}: 1, or num_cores: 1"


def _asked(options: Options) -> tuple[str, ...]:
    """The key of a recipe that asks for the exporter."""
    return CORES if options.num_cores > 1 else ("toolchain",)


def _refuse_dropped(options: Options, task: str, pipeline: Pipeline | None) -> None:
    """Stop at what no part, or not every part, would hear of."""
    if options.weights == "separate":
        raise OptionError(("weights",), "optimum-neuron's folders hold their weights; use `weights: inline`")
    said = _stated(options)
    dropped = [key for key in said if key in NEVER or (key == DYNAMIC and pipeline is None)]
    if dropped:
        raise OptionError(dropped[0], f"{DROPPED}: leave it out")
    if said and task in DECODING:
        raise OptionError(said[0], f"{DROPPED} for a decoder, whose dtype is its checkpoint's: leave it out")
    if said and pipeline is not None and pipeline.own_way:
        parts = " and ".join(pipeline.own_way)
        problem = f"optimum-neuron compiles {parts} of a {pipeline.name} with -O1 --auto-cast=none, for one batch size"
        raise OptionError(said[0], f"{problem}, whatever is said: leave this out")
    if CAST in said and options.auto_cast_type not in CASTS:
        raise OptionError(("compiler", "auto_cast_type"), f"optimum-neuron casts to {' or '.join(CASTS)}")


def _stated(options: Options) -> list[tuple[str, ...]]:
    """The keys of all options that aren't at their defaults and mean something to a compiler."""
    said: dict[tuple[str, ...], bool] = {
        **{("compiler", name): name in options.loading for name in LOADING},
        EXTRA: bool(options.extra_args),
        CAST: options.auto_cast != "none",
        OPTLEVEL: options.optlevel != DEFAULT_OPTLEVEL,
        DYNAMIC: options.dynamic_batch_size,
    }
    return [key for key, stated in said.items() if stated]


def _refuse_model(options: Options, model_type: str, task: str, version: str) -> None:
    """Stop at what a version can't do with a model; nothing is known of one without a type."""
    problem = refusal(model_type, task, version) if model_type else None
    if problem is not None:
        raise OptionError(_asked(options), problem)
    if options.num_cores == 1 or task in DECODING:
        return
    if model_type in ONE_CORE:
        raise OptionError(CORES, f"optimum-neuron doesn't spread {model_type} over cores: leave this out")
    if options.dtype != FULL:
        problem = f"optimum-neuron loads a {model_type} over several cores in {FULL}, whatever is said"
        raise OptionError(DTYPE, f"{problem}: leave this out, or use num_cores: 1")


def _refuse_additions(options: Options, model: ModelPart, pipeline: Pipeline) -> None:
    """Stop at pairs that don't go together in a pipeline."""
    if options.num_cores > 1 and not pipeline.sharded:
        raise OptionError(CORES, f"optimum-neuron doesn't spread a {pipeline.name} over cores: leave this out")
    if model.lora and pipeline.own_way:
        parts = " and ".join(pipeline.own_way)
        problem = f"optimum-neuron reads {parts} of a {pipeline.name} from the checkpoint anew, without any LoRA"
        raise OptionError(("lora",), f"{problem}: leave it out")
    if options.platform in WITHOUT_ENCODER and pipeline.own_way:
        problem = f"optimum-neuron stops at the text encoder of a {pipeline.name} for {options.platform}"
        reason = "it looks for a config that isn't there"
        raise OptionError(("platforms",), f"{problem} ({reason}): leave {options.platform} out")
    if model.controlnets and options.dtype != FULL:
        raise OptionError(DTYPE, "optimum-neuron compiles ControlNets in float32, whatever the rest is in: leave this out")


def _arguments(options: Options, task: str) -> list[str]:
    words = ["--task", WORDS.get(task, task), "--instance_type", options.platform]
    words += ["--tensor_parallel_size", str(options.num_cores)]
    if task in DECODING:
        return words
    words += ["--torch_dtype", options.dtype]
    if options.auto_cast != "none":
        words += ["--auto_cast_type", options.auto_cast_type]
    return [*words, "--auto_cast", options.auto_cast, f"-O{options.optlevel}", "--inline-weights-neff"]


def _additions(options: Options, model: ModelPart) -> list[str]:
    """What only pipelines are given. The exporter passes over a LoRA without a file name, and over several without names."""
    words = ["--dynamic-batch-size"] if options.dynamic_batch_size else []
    if model.lora:
        names = [adapter_folder(index) for index in range(len(model.lora))]
        words += ["--lora_model_ids", *(f"{MODEL}/{name}" for name in names)]
        words += ["--lora_weight_names", *(each.weights for each in model.lora), "--lora_adapter_names", *names]
        words += ["--lora_scales", *(repr(each.scale) for each in model.lora)]
    if model.controlnets:
        words += ["--controlnet_ids", *(f"{MODEL}/{controlnet_folder(index)}" for index in range(model.controlnets))]
    return words
