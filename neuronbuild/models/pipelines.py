"""`pipeline(task, model)`: transformers' pipelines over compiled models, with all that a release carries."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers
from transformers.pipelines import PIPELINE_REGISTRY

from neuronbuild.artifact.snapshot import VOCABULARIES
from neuronbuild.errors import UsageError
from neuronbuild.models.base import NeuronModel
from neuronbuild.models.checked import checked, refuse_misspelt
from neuronbuild.models.classes import open_model
from neuronbuild.models.export import ALIASES as OPTIMUMS
from neuronbuild.models.export import ARGUMENTS, COMPILER_KEYS, OFFLINE, export_model
from neuronbuild.models.preprocessors import PROCESSORS
from neuronbuild.models.releases import find_release
from neuronbuild.recipe.idle import IDLE, TOKENS, refuse_others, settle
from neuronbuild.recipe.words import unknown_word
from neuronbuild.tasks import ALIASES, AXES, OWN_TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNS: dict[str, tuple[str, ...]] = {
    name: tuple(task for task, row in OWN_TASKS.items() if name in row.runs_in)
    for name in dict.fromkeys(name for row in OWN_TASKS.values() for name in row.runs_in)
    if name in PIPELINE_REGISTRY.supported_tasks
}
"""transformers' pipelines that run compiled models, and the tasks that those are compiled for."""

REFUSED: dict[str, str] = dict.fromkeys(
    (
        "any-to-any",
        "depth-estimation",
        "document-question-answering",
        "image-feature-extraction",
        "image-text-to-text",
        "keypoint-matching",
        "mask-generation",
        "table-question-answering",
        "text-to-audio",
        "video-classification",
        "zero-shot-audio-classification",
        "zero-shot-object-detection",
    ),
    "its models can't be compiled here yet",
) | {"decision": "it needs scores of tokens in the midst of a prompt, and compiled decoders score what may follow the last"}
"""transformers' other pipelines, each with the reason."""

FIXED: dict[str, tuple[str, tuple[object, ...]]] = {
    "args_parser": ("pipelines have their own", ()),
    "assistant_model": ("compiled decoders read one token at a time", ()),
    "assistant_tokenizer": ("compiled decoders read one token at a time", ()),
    "binary_output": ("transformers' pipelines make no use of it", (False,)),
    "code_revision": ("a release holds no Python code", ()),
    "config": ("the release has its own", ()),
    "device": ("a compiled model runs on what it was compiled for, and takes tensors on the CPU", ("cpu", "-1")),
    "device_map": ("a compiled model runs on what it was compiled for", ()),
    "dtype": (
        "a compiled model computes in what it was compiled for: give dtype to the recipe, or with export=True",
        ("auto",),
    ),
    "model_kwargs": ("they are for loading weights, and the release has them compiled in or bound", ({},)),
    "processor": ("give its tokenizer, image_processor or feature_extractor by these names", ()),
    "token": ("set HF_TOKEN", ()),
    "torch_dtype": ("a compiled model computes in what it was compiled for, and the word is dtype", ("auto",)),
    "trust_remote_code": ("a release holds no Python code", (False,)),
    "use_fast": ("pass a tokenizer of your own", (True,)),
    "video_processor": ("no compiled model reads videos", ()),
}
"""transformers' arguments that a compiled model leaves no choice in: why, and the values that change nothing."""

REMOVED = frozenset(getattr(transformers.pipelines, "REMOVED_TASKS", ()))
"""Pipelines that transformers had in earlier versions, by their names before any `_en_to_fr`."""

TAKEN = {"batch_size", "num_beams", "torch_dtype"}
"""Words about compiling that mean something else to a pipeline, or are refused with a reason of their own."""

EXPORTS = {*AXES, *COMPILER_KEYS, *OPTIMUMS, "dynamic_batch_size", "num_cores", "platform", "weights"} - TAKEN
"""Words that say how to compile a model, and nothing to a pipeline."""

KEPT_WORDS = {*FIXED, *ARGUMENTS}
"""Words of optimum-neuron's calls that have another reason here, or a meaning."""

PARTS = ("tokenizer", "image_processor", "feature_extractor")


def pipeline(
    task: str,
    model: str | Path | NeuronModel,
    *,
    export: bool = False,
    revision: str | None = None,
    **arguments: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401 (transformers' pipelines have no types)
    """A pipeline of transformers that runs a compiled model.

    Args:
        task: a pipeline's name, or a task's.
        model: a release folder or Hub id, or a loaded model; with `export=True` a model to compile, as in `from_pretrained`.
        export: compile `model` for the shapes given, where the cache hasn't got it.
        revision: branch, tag or commit on the Hub.
        arguments: with `export=True` what `from_pretrained` takes: sizes of axes, compiler options, also as optimum-neuron
            takes them (`input_shapes={...}`, `compiler_args={...}`). All others go to the pipeline: `top_k=3`,
            `chunk_length_s=10`, a `tokenizer` or `image_processor` of one's own. Pipelines over texts take `truncation=True`
            besides, which cuts texts to the longest compiled shape. `local_files_only` as in `from_pretrained`.

    Raises:
        UsageError: there is no such pipeline, or none that runs this model; an argument is unknown, or can't have an effect.
        ReleaseError, SourceError, RecipeError, StoreError, ToolchainError: as for `from_pretrained`.
    """
    name = find_pipeline(task)
    arguments = settle(name, {**arguments, "revision": revision}, export=export)
    refuse_others(name, [key for key in arguments if key in IDLE and key not in KEPT_WORDS])
    place = {key: arguments.pop(key) for key in ("revision", OFFLINE) if key in arguments}
    own = {key: arguments.pop(key) for key in ARGUMENTS if export and key in arguments}
    pipeline_class = arguments.pop("pipeline_class", None) or _class_of(name)
    if not export:
        _refuse_exports(name, arguments)
        arguments = {key: value for key, value in arguments.items() if key not in EXPORTS}
    _refuse_fixed(name, pipeline_class, arguments)
    if isinstance(model, NeuronModel):
        if export or place:
            given = ["export"] * export + [*place]
            raise UsageError(
                f"{', '.join(given)} can't be given: it says where a model comes from, and this one is loaded already"
            )
        loaded = model
    elif export:
        wanted = task if task in RUNS[name] else RUNS[name][0]
        loaded = open_model(export_model(str(model), wanted, {**own, **place}))
    else:
        pinned = revision if "revision" in place else None
        loaded = open_model(find_release(str(model), pinned, offline=OFFLINE in place))
    if loaded.task not in RUNS[name]:
        fitting = " or ".join(map(repr, OWN_TASKS[loaded.task].runs_in)) if loaded.task in OWN_TASKS else "none of these"
        hint = f"choose the pipeline {fitting}, or call the model: it is a {type(loaded).__name__}"
        raise UsageError(f"this model was compiled for {loaded.task}, no pipeline for {task} can run it", hint=hint)
    if name in (getattr(loaded.config, "custom_pipelines", None) or {}):
        raise UsageError(f"the model's config names Python code of its own for {name}, and a release holds none")
    kept = {key: value for key, value in arguments.items() if key not in FIXED}
    parts = _parts(loaded, pipeline_class, kept)
    return transformers.pipeline(name, model=loaded, device="cpu", pipeline_class=checked(pipeline_class), **{**kept, **parts})


def find_pipeline(task: str) -> str:
    """The name that transformers has for a pipeline, from that, another name of it, or a task's.

    Raises:
        UsageError: there is none, or none that runs compiled models.
    """
    name: str = PIPELINE_REGISTRY.task_aliases.get(task, task)
    if name in RUNS:
        return name
    row = OWN_TASKS.get(ALIASES.get(name, name))
    if row is not None and row.runs_in[0] in RUNS:
        return row.runs_in[0]
    if row is not None or task.partition("_")[0] in REMOVED:
        call = f"call the model: {row.model_class}.from_pretrained(...)" if row else "call the model's class"
        hint = f"{call}, or use `neuronbuild run`"
        raise UsageError(f"transformers {transformers.__version__} has no pipeline for {task}", hint=hint)
    if name in REFUSED:
        raise UsageError(f"the pipeline {task} can't run compiled models: {REFUSED[name]}")
    raise UsageError(unknown_word("pipeline", task, [*RUNS, *PIPELINE_REGISTRY.task_aliases]))


def _refuse_exports(name: str, arguments: Mapping[str, object]) -> None:
    """Stop at what says how to compile, where nothing is compiled."""
    given = [key for key, value in arguments.items() if key in EXPORTS and value is not None]
    if given:
        problem = f"{name}: {', '.join(given)} can't be given without export=True"
        raise UsageError(problem, hint="pass export=True to compile a model; a release is compiled already: leave this out")


def _class_of(name: str) -> Any:  # noqa: ANN401 (as above)
    """The class of a pipeline, which the table of transformers names by a path."""
    told = PIPELINE_REGISTRY.supported_tasks[name]["impl"]
    return getattr(transformers, told.rpartition(".")[2]) if isinstance(told, str) else told


def _refuse_fixed(name: str, pipeline_class: Any, arguments: Mapping[str, object]) -> None:  # noqa: ANN401 (as above)
    """Stop at what would have no effect on a model that is compiled, or in this pipeline."""
    for key, (why, harmless) in FIXED.items():
        value = arguments.get(key)
        if value is not None and value not in harmless and str(value) not in harmless:
            shown = key if key in TOKENS else f"{key}={value!r}"
            raise UsageError(f"{name}: {shown} can't be had: {why}")
    refuse_misspelt(name, pipeline_class, arguments.keys() - FIXED.keys())
    for part in PARTS:
        if arguments.get(part) is not None and getattr(pipeline_class, f"_load_{part}", None) is False:
            raise UsageError(f"{name}: the pipeline makes no use of {part}")


def _parts(model: NeuronModel, pipeline_class: Any, given: Mapping[str, object]) -> dict[str, object]:  # noqa: ANN401
    """What a pipeline makes inputs with, by the names that it takes it by: what was given, else what the release carries.

    Raises:
        ReleaseError: the release carries none of a part that the pipeline needs, or one that can't be loaded here.
        UsageError: it asks for a language model, which no release carries.
    """
    parts: dict[str, object] = {}
    for part in PARTS:
        needed = getattr(pipeline_class, f"_load_{part}", None)
        if needed is False or given.get(part) is not None:
            continue
        found = _tokenizer(model, needed) if part == "tokenizer" else _processor(model, part, needed)
        if found is not None:
            parts[part] = found
    hears = parts.get("feature_extractor") or given.get("feature_extractor")
    told = getattr(hears, "_processor_class", None) or ""
    if told.endswith("WithLM") and "decoder" not in given:
        hint = "pass decoder=..., or decoder=None to go without it"
        raise UsageError(f"the release asks for {told}, and carries no language model", hint=hint)
    return parts


def _tokenizer(model: NeuronModel, needed: bool | None) -> object:  # noqa: FBT001 (transformers' flag)
    """A copy of the tokenizer: pipelines for text generation change the side that it pads on."""
    return copy.copy(model.tokenizer) if needed or model.carries(VOCABULARIES) else None


def _processor(model: NeuronModel, part: str, needed: bool | None) -> object:  # noqa: FBT001 (as above)
    """The processor of one kind, which may be one of several in a processor of all."""
    if not needed and not model.carries(PROCESSORS):
        return None
    found = model.read_processor()
    if isinstance(found, transformers.ProcessorMixin):
        return getattr(found, part, None)
    return found if (part == "feature_extractor") == isinstance(found, transformers.FeatureExtractionMixin) else None
