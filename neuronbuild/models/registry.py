"""Our classes among those that transformers' pipelines know for a task: they look for the class's name in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import transformers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.tasks import Task


def register(tasks: Iterable[Task]) -> None:
    """Add the classes of tasks to the tables. transformers has no public way: `register` asks for a config class of its own.

    Keys of these tables are model types; a key that is none is passed over wherever models are made.
    """
    for task in tasks:
        names = getattr(transformers, task.auto_class)._model_mapping._model_mapping  # noqa: SLF001 (there is no other way)
        names[task.model_class] = task.model_class
