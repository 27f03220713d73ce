"""Which task a model does, and which axes must be given for it: answers without compiling anything."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import final

from neuronbuild.api.subjects import subject_of
from neuronbuild.errors import UsageError
from neuronbuild.plan.subject import SubjectError
from neuronbuild.recipe.grid import default_sizes
from neuronbuild.recipe.words import unknown_word
from neuronbuild.source.resolve import name_model, open_memory, resolve_model
from neuronbuild.tasks import FAMILIES, PIPELINES, TASKS, loader_of, tasks_of


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


def axes(model: str | Path, task: str | None = None, *, revision: str | None = None) -> Axes:
    """Say which axes a model must be given for a task, by default the one that its config tells.

    Raises:
        SourceError: there is no such model.
        UsageError: the task is unknown, can't be told, or not supported for this model.
    """
    if task is not None:
        _known("task", task, list(TASKS))
    memory = open_memory()
    found = resolve_model(name_model(str(model)), revision, base=Path.cwd(), memory=memory)
    memory.save()
    try:
        subject = subject_of(found, task)
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
    """Introspection by the names that users of optimum know."""

    @staticmethod
    def infer_task_from_model(model: str | Path, *, revision: str | None = None) -> str:
        """The task of a model, as its config tells it.

        Raises:
            SourceError: there is no such model.
            UsageError: its config doesn't tell.
        """
        return axes(model, revision=revision).task

    @staticmethod
    def get_supported_tasks_for_model_type(model_type: str) -> list[str]:
        """The tasks that a model type is compiled for.

        Raises:
            UsageError: the model type isn't supported.
        """
        every = FAMILIES | {name: pipeline.family for name, pipeline in PIPELINES.items()}
        return tasks_of(every[_known("model type", model_type, list(every))])

    @staticmethod
    def get_exporter_config_constructor(
        model_type: str, task: str, *, exporter: str = "neuron", library_name: str = "transformers"
    ) -> functools.partial[ExporterConfig]:
        """A constructor for the pair, whose `func.get_mandatory_axes_for_task(task)` tells the axes.

        Raises:
            UsageError: the model type isn't supported for the task, or another exporter or library is asked for.
        """
        _known("exporter", exporter, ["neuron"])
        _known("library", library_name, ["transformers", "sentence_transformers"])
        _known(f"task for {model_type}", task, TasksManager.get_supported_tasks_for_model_type(model_type))
        return functools.partial(ExporterConfig, model_type, task)


def _known(kind: str, word: str, words: list[str]) -> str:
    if word not in words:
        raise UsageError(unknown_word(kind, word, words))
    return word
