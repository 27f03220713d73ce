"""Which task a model does, and which axes must be given for it: answers without compiling anything."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from neuronbuild.api.loaded import task_of, type_of
from neuronbuild.api.subjects import subject_of
from neuronbuild.errors import UsageError
from neuronbuild.plan.subject import SubjectError
from neuronbuild.recipe.grid import default_sizes
from neuronbuild.recipe.idle import refuse_others, settle
from neuronbuild.recipe.words import TASK_WORDS, unknown_word
from neuronbuild.source.resolve import Search, name_model, open_memory, resolve_model
from neuronbuild.tasks import FAMILIES, PIPELINES, TASKS, loader_of, tasks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARIES = ("transformers", "sentence_transformers")


@dataclass(frozen=True, slots=True)
class Axes:
    """A model's task, the class that runs it, the axes that must be given, and those that may be, with their defaults."""

    task: str
    model_class: str
    mandatory: tuple[str, ...]
    optional: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """As `axes --json` prints it; `version` rises when the form changes."""
        return {
            "version": 1,
            "task": self.task,
            "class": self.model_class,
            "mandatory": list(self.mandatory),
            "optional": self.optional,
        }


def axes(
    model: str | Path, task: str | None = None, *, revision: str | None = None, offline: bool = False, delegated: str = ""
) -> Axes:
    """Say which axes a model must be given for a task, by default the one that its config tells.

    `offline`: a model on the Hub is what the Hub's local cache has of it. `delegated` is the recipe's key by which
    optimum-neuron is to export it, if one is.

    Raises:
        SourceError: there is no such model.
        UsageError: the task is unknown, can't be told, or not supported for this model.
    """
    if task is not None:
        _known("task", task, list(TASKS))
    memory = open_memory()
    search = Search(offline=offline)
    found = resolve_model(name_model(str(model)), revision, base=Path.cwd(), memory=memory, search=search)
    memory.save()
    try:
        subject = subject_of(found, task, delegated=delegated)
    except SubjectError as error:
        raise UsageError(f"{model}: {error}") from None
    row = subject.task
    model_class = row.model_class or loader_of(row, subject.family, controlnets=False)
    return Axes(row.name, model_class, row.mandatory, default_sizes(row, subject.sizes))


@final
class ExporterConfig:
    """What is known of a model type and task before any model is seen; the name is that of optimum's exporters."""

    def __init__(self, model_type: str, task: str) -> None:
        self.model_type, self.task = model_type, task

    @classmethod
    def get_mandatory_axes_for_task(cls, task: str) -> tuple[str, ...]:
        """The axes that must be given.

        Raises:
            UsageError: the task is unknown.
        """
        return TASKS[_known("task", task, list(TASKS))].mandatory


@final
class TasksManager:
    """Introspection by the names that users of optimum know, called as there."""

    @staticmethod
    def infer_task_from_model(
        model: object, *, revision: str | None = None, local_files_only: bool = False, **arguments: object
    ) -> str:
        """The task of a model: as the config of one on the Hub or in a folder tells it, or as the class of a loaded one does.

        Args:
            model: a Hub id, folder or `package:module/subfolder`; or a model of transformers, diffusers or of ours, or a class.
            revision: branch, tag or commit on the Hub.
            local_files_only: go by the Hub's local cache alone.
            arguments: optimum's other keywords, at the values at which they ask for nothing.

        Raises:
            SourceError: there is no such model.
            UsageError: its config or class doesn't tell.
        """
        call = "infer_task_from_model"
        asked = settle(call, {"revision": revision, **arguments})
        refuse_others(call, asked.keys() - {"revision"}, ["revision", "local_files_only"])
        if not isinstance(model, str | Path):
            return task_of(model)
        return axes(model, revision=revision if "revision" in asked else None, offline=local_files_only).task

    @staticmethod
    def get_supported_tasks_for_model_type(
        model_type: str, exporter: str = "neuron", *, library_name: str | None = None, **arguments: object
    ) -> dict[str, functools.partial[ExporterConfig]]:
        """The tasks that a model type is compiled for, each with a constructor as `get_exporter_config_constructor` gives it.

        Raises:
            UsageError: the model type isn't supported, or another exporter or library is asked for.
        """
        _refuse_foreign(exporter, library_name, arguments)
        every = FAMILIES | {name: pipeline.family for name, pipeline in PIPELINES.items()}
        tasks = tasks_of(every[_known("model type", model_type, list(every))])
        return {task: functools.partial(ExporterConfig, model_type, task) for task in tasks}

    @staticmethod
    def get_exporter_config_constructor(
        exporter: str = "neuron",
        model: object = None,
        task: str = "feature-extraction",
        model_type: str | None = None,
        *,
        library_name: str | None = None,
        **arguments: object,
    ) -> functools.partial[ExporterConfig]:
        """A constructor for a task and a model, whose `func.get_mandatory_axes_for_task(task)` tells the axes.

        Args:
            exporter: `neuron`.
            model: a loaded model, whose type counts where no `model_type` is given.
            task: one of the tasks that the model type is compiled for.
            model_type: as configs name it.
            library_name: `transformers` or `sentence_transformers`.
            arguments: optimum's other keywords, at the values at which they ask for nothing.

        Raises:
            UsageError: the model type isn't supported for the task, or another exporter or library is asked for.
        """
        _refuse_foreign(exporter, library_name, arguments)
        if model is None and model_type is None:
            raise UsageError("get_exporter_config_constructor: give a model or a model_type")
        kind = model_type or type_of(model)
        supported = TasksManager.get_supported_tasks_for_model_type(kind)
        return supported[_known(f"task for {kind}", task, list(supported))]


def _refuse_foreign(exporter: str, library_name: str | None, arguments: Mapping[str, object]) -> None:
    """Stop at other exporters and libraries, and at arguments that ask for something.

    Raises:
        UsageError: there is one.
    """
    _known("exporter", exporter, ["neuron"])
    _known("library", library_name or LIBRARIES[0], list(LIBRARIES))
    refuse_others("TasksManager", settle("TasksManager", arguments), ["library_name"])


def _known(kind: str, word: str, words: list[str]) -> str:
    if word not in words:
        raise UsageError(
            unknown_word(kind, word, words, {each: told for each, told in TASK_WORDS.items() if each not in words})
        )
    return word
