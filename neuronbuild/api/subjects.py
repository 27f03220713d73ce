"""A pinned model to its part in actions: the small files that planning reads, what is made of them, and which sizes fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from neuronbuild.errors import RecipeError
from neuronbuild.plan.pipeline import TOKENIZERS, Additions, is_pipeline, make_pipeline
from neuronbuild.plan.subject import SENTENCE_MODULES, SubjectError, make_subject, pooling_file
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.load import Located
    from neuronbuild.recipe.target import Target

logger = logging.getLogger(__name__)

NONE = Additions()


def planning_documents(model: Model) -> dict[str, object]:
    """The JSON files that planning reads besides the model's config, by path.

    Raises:
        SourceError: one can't be read.
    """
    modules = model.read_json(SENTENCE_MODULES)
    pooling = pooling_file(modules)
    tokenizers = TOKENIZERS if is_pipeline(model.config) else ()
    named = {path: model.read_json(path) for path in (pooling, *tokenizers) if path}
    return {path: value for path, value in {SENTENCE_MODULES: modules, **named}.items() if value is not None}


def subject_of(model: Model, task: str | None, additions: Additions = NONE) -> Subject:
    """A model for a task, by default the one that its config tells; `additions` are what a pipeline is given besides.

    Raises:
        SourceError: a file of it can't be read.
        SubjectError: it can't be compiled for that task, or is none that anything could be added to.
    """
    documents = planning_documents(model)
    files = {path: digest.sha256 for path, digest in model.snapshot.files.items() if path not in model.snapshot.weights}
    if is_pipeline(model.config):
        return make_pipeline(model.config, task=task, documents=documents, files=files, additions=additions)
    if additions != NONE:
        key = "lora" if additions.lora else "controlnet"
        raise SubjectError(key, f"{key} is for pipelines of diffusers; leave it out, or choose a model with a model_index.json")
    modules, pooling = documents.get(SENTENCE_MODULES), pooling_file(model.read_json(SENTENCE_MODULES))
    return make_subject(
        model.config,
        task=task,
        modules=_mapping(modules),
        pooling=_mapping(documents.get(pooling)) if pooling else None,
        code={path: sha256 for path, sha256 in files.items() if path.endswith(".py")},
    )


def tell_length(located: Located, targets: list[Target], subject: Subject) -> None:
    """A length that nobody asked for takes memory and time in proportion, so it is told."""
    shapes = located.recipe.shapes
    if (
        subject.task.graphs
        and subject.task.optional.get(SEQUENCE, 0) is None
        and SEQUENCE
        not in {
            *shapes.axes,
            *(axis for point in shapes.include for axis in point),
        }
    ):
        length = targets[0].shape.as_dict()[SEQUENCE]
        rest = f" of the {subject.longest} that the model can read" if length != subject.longest else ""
        logger.warning("%s: no sequence_length is given; taking %d tokens%s", located.recipe.name, length, rest)


def refuse_misfits(located: Located, targets: list[Target], subject: Subject) -> None:
    """Stop at sizes that the model can't be compiled for.

    Raises:
        RecipeError: with each, at its axis.
    """
    sizes = sorted({pair for target in targets for pair in target.shape.axes})
    faults = {axis: fault for axis, size in reversed(sizes) if (fault := subject.misfit(axis, size)) is not None}
    if faults:
        raise RecipeError([located.issue(("shapes", axis), fault) for axis, fault in faults.items()])


def _mapping(value: object) -> dict[str, object] | None:
    return value if isinstance(value, dict) else None
