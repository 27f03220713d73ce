"""What a loaded model, or a class of models, says of its task and its type."""

from __future__ import annotations

import json

from neuronbuild.errors import UsageError
from neuronbuild.plan.subject import SubjectError, make_subject
from neuronbuild.tasks import FAMILIES, OWN_TASKS, PIPELINES, TASKS, infer_task

BASE = "PreTrainedModel"
"""What transformers' classes that all others of a type are made from end in: they tell no task."""

TOLD = (
    {row.auto_class: name for name, row in reversed(TASKS.items())}
    | {row.model_class: name for name, row in OWN_TASKS.items()}
    | {name: next(iter(pipeline.loaders)) for name, pipeline in PIPELINES.items()}
    | {"SentenceTransformer": "sentence-similarity"}
)
"""The task of classes that have one whatever is loaded with them: auto classes, our own, pipelines of diffusers."""


def task_of(model: object) -> str:
    """The task of a loaded model, or of a class.

    Raises:
        UsageError: it doesn't tell, or its model type isn't supported for that task.
    """
    kind = _class_of(model)
    told = next((TOLD[each.__name__] for each in kind.__mro__ if each.__name__ in TOLD), None)
    if told is not None:
        return told
    names, config = _architectures(kind), _config_of(model)
    if config is None:
        family = FAMILIES.get(str(_stated_type(kind)))
        told = infer_task(names, family.tasks if family else (), sentence_transformers=False)
        if told is None:
            raise UsageError(f"the task can't be told from a {kind.__name__}: give a model, its class, a Hub id or a folder")
        return told
    try:
        return make_subject({**config, "architectures": names}, task=None).task.name
    except SubjectError as error:
        raise UsageError(f"{kind.__name__}: {error}") from None


def type_of(model: object) -> str:
    """The model type of a loaded model, or of a class; that of a pipeline of diffusers is its name.

    Raises:
        UsageError: it doesn't tell.
    """
    kind = _class_of(model)
    told = next((each.__name__ for each in kind.__mro__ if each.__name__ in PIPELINES), None)
    found = told or (_config_of(model) or {}).get("model_type") or _stated_type(kind)
    if not isinstance(found, str):
        raise UsageError(f"the model type can't be told from a {kind.__name__}: give model_type")
    return found


def _class_of(model: object) -> type:
    return model if isinstance(model, type) else type(model)


def _architectures(kind: type) -> list[str]:
    """The names of transformers' classes that a class is, or is made from, as configs list them."""
    theirs = [each.__name__ for each in kind.__mro__ if each.__module__.startswith("transformers.")]
    return [name for name in theirs if not name.endswith(BASE)]


def _stated_type(kind: type) -> object:
    return getattr(getattr(kind, "config_class", None), "model_type", None)


def _config_of(model: object) -> dict[str, object] | None:
    """What config.json would hold of a loaded model of transformers."""
    write = getattr(getattr(model, "config", None), "to_json_string", None)
    found = json.loads(write()) if callable(write) else None
    return found if isinstance(found, dict) and "model_type" in found else None
