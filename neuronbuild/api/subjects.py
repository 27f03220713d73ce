"""A pinned model to its part in actions: the small files that planning reads, what is made of them, and which sizes fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from neuronbuild.counts import counted
from neuronbuild.errors import RecipeError
from neuronbuild.plan.pipeline import TOKENIZERS, Additions, is_pipeline, make_pipeline
from neuronbuild.plan.sentences import module_files
from neuronbuild.plan.subject import SubjectError, make_subject
from neuronbuild.tasks.sentences import MODULES, setting_files
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.target import Target

logger = logging.getLogger(__name__)

NONE = Additions()

SENTENCES = "sentence-similarity"
TOKENIZER = "tokenizer_config.json"
CHATS = ("chat_template.jinja", "chat_template.json")


def planning_documents(model: Model) -> dict[str, object]:
    """The JSON files that planning reads besides the model's config, by path.

    Raises:
        SourceError: one can't be read.
    """
    tokenizers = TOKENIZERS if is_pipeline(model.config) else ()
    settings = setting_files(model.snapshot.files)
    modules = module_files(model.read_json(MODULES))
    named = {path: model.read_json(path) for path in (*settings, *modules, *tokenizers)}
    return {path: value for path, value in named.items() if value is not None}


def subject_of(model: Model, task: str | None, additions: Additions = NONE, *, delegated: str = "") -> Subject:
    """A model for a task, by default the one that its config tells; `additions` are what a pipeline is given besides.

    `delegated` is the recipe's key by which another tool is to export it, if one is.

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
    subject = make_subject(
        model.config,
        task=task,
        documents=documents,
        code={path: sha256 for path, sha256 in files.items() if path.endswith(".py")},
        delegated=delegated,
    )
    if subject.task.name == SENTENCES and MODULES not in documents:
        _refuse_chats(model)
    return subject


def _refuse_chats(model: Model) -> None:
    """Stop at a plain model whose tokenizer has a template of chats: sentence-transformers puts every text into it.

    Raises:
        SubjectError: there is one.
    """
    found = next((path for path in CHATS if path in model.snapshot.files), None)
    if found is None and (model.read_json(TOKENIZER) or {}).get("chat_template") is not None:
        found = TOKENIZER
    if found is not None:
        text = f"{found}: sentence-transformers would put texts into this template of chats, which isn't supported"
        raise SubjectError("task", f"{text}; use task feature-extraction")


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
        logger.warning("%s: no sequence_length is given; taking %s%s", located.recipe.name, counted(length, "token"), rest)


def refuse_misfits(located: Located, targets: list[Target], subject: Subject) -> None:
    """Stop at sizes that the model can't be compiled for.

    Raises:
        RecipeError: with each, at its axis.
    """
    sizes = sorted({pair for target in targets for pair in target.shape.axes})
    faults = {axis: fault for axis, size in reversed(sizes) if (fault := subject.misfit(axis, size)) is not None}
    if faults:
        raise RecipeError([located.issue(("shapes", axis), fault) for axis, fault in faults.items()])
