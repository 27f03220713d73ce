"""Every task, from the tables; and which one a model is for."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from neuronbuild.tasks.audio import AUDIO_TASKS
from neuronbuild.tasks.diffusion import DIFFUSION_TASKS
from neuronbuild.tasks.images import IMAGE_TASKS
from neuronbuild.tasks.table import TEXT_TASKS

if TYPE_CHECKING:
    from collections.abc import Container

    from neuronbuild.tasks.table import Task

TASKS: dict[str, Task] = {task.name: task for task in (*TEXT_TASKS, *IMAGE_TASKS, *AUDIO_TASKS, *DIFFUSION_TASKS)}

OWN_TASKS = {name: task for name, task in TASKS.items() if task.graphs}
"""Those that have classes here: the others are run by the tool that exports them."""

ALIASES = {task.tag: task.name for task in TASKS.values() if task.tag and task.tag not in TASKS}
"""The Hub's names for tasks that are called otherwise here."""

AXES = tuple(dict.fromkeys(axis for task in TASKS.values() for axis in task.axes))
"""Every axis name that some task has."""


def infer_task(architectures: list[str], able: Container[str] = (), *, sentence_transformers: bool) -> str | None:
    """The task of a model from its class names, or `None` where they tell nothing.

    `able` are the tasks of its family, if that is known: some endings are those of two tasks.
    """
    if sentence_transformers:
        return "sentence-similarity"
    for name in architectures:
        matches = [
            ((task.name in able, len(suffix)), task.name)
            for task in TASKS.values()
            for suffix in task.suffixes
            if name.endswith(suffix)
        ]
        if matches:
            return max(matches, key=operator.itemgetter(0))[1]
    return None
