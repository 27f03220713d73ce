"""`pipeline(task, model)`: transformers' pipelines over compiled models, with all that a release carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers.pipelines import PIPELINE_REGISTRY

from neuronbuild.errors import UsageError
from neuronbuild.models.base import NeuronModel, find_release
from neuronbuild.models.classes import open_model
from neuronbuild.models.export import ARGUMENTS, export_model
from neuronbuild.recipe.schema import unknown_word
from neuronbuild.tasks import ALIASES, OWN_TASKS


def pipeline(
    task: str, model: str | Path | NeuronModel, *, export: bool = False, revision: str | None = None, **arguments: object
) -> Any:  # noqa: ANN401 (transformers' pipelines have no types)
    """A pipeline of transformers that runs a compiled model.

    Args:
        task: a pipeline's name, or a task's.
        model: a release folder or Hub id, or a loaded model; with `export=True` a model to compile, as in `from_pretrained`.
        export: compile `model` for the shapes given, where the cache hasn't got it.
        revision: branch, tag or commit on the Hub.
        arguments: with `export=True` what `from_pretrained` takes: sizes of axes, compiler options. All others go to the
            pipeline: `top_k=3`, `chunk_length_s=10`, a `tokenizer` or `image_processor` of one's own.

    Raises:
        UsageError: there is no such pipeline, or none that runs this model.
        ReleaseError, SourceError, RecipeError, StoreError, ToolchainError: as for `from_pretrained`.
    """
    name = PIPELINE_REGISTRY.task_aliases.get(task, ALIASES.get(task, task))
    able = [each for each, row in OWN_TASKS.items() if row.runs_in in PIPELINE_REGISTRY.supported_tasks]
    if name not in able:
        raise UsageError(unknown_word("pipeline", task, able))
    tag = OWN_TASKS[name].runs_in
    if isinstance(model, NeuronModel):
        loaded = model
    elif export:
        ours = {key: arguments.pop(key) for key in ARGUMENTS if key in arguments}
        loaded = open_model(export_model(str(model), name, {**ours, "revision": revision}))
    else:
        loaded = open_model(find_release(str(model), revision))
    made_for = OWN_TASKS[loaded.task].runs_in
    if made_for != tag:
        raise UsageError(f"this model was compiled for {loaded.task}, no pipeline for {task} can run it")
    return transformers.pipeline(tag, model=loaded, **{**_parts(loaded), **arguments})


PARTS = ("tokenizer", "image_processor", "feature_extractor")


def _parts(model: NeuronModel) -> dict[str, object]:
    """Tokenizer and processors by the names that pipelines take them by: a processor of several kinds holds each of them."""
    found: dict[str, object] = {}
    for each in model.preprocessors:
        if isinstance(each, transformers.ProcessorMixin):
            found |= {name: getattr(each, name) for name in PARTS if hasattr(each, name)}
        elif isinstance(each, transformers.PreTrainedTokenizerBase):
            found.setdefault("tokenizer", each)
        else:
            found["feature_extractor" if isinstance(each, transformers.FeatureExtractionMixin) else "image_processor"] = each
    return found
