"""The classes, one a task. Those that are only called are made from the task table; the others have modules of their own."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

from neuronbuild.models.base import ForwardModel, NeuronModel
from neuronbuild.models.registry import register
from neuronbuild.runtime.reader import read_index
from neuronbuild.tasks import OWN_TASKS

_MODULES = {
    "sentence-similarity": "neuronbuild.models.sentences",
    "text-generation": "neuronbuild.models.causal_lm",
    "text2text-generation": "neuronbuild.models.seq2seq",
    "speech-seq2seq": "neuronbuild.models.speech",
}
"""Modules that have the class of a task. Importing transformers' generation takes as long as half of torch."""


@functools.cache
def _class_of(task: str) -> type[NeuronModel]:
    """The class of a task, which transformers' pipelines know from then on."""
    register([OWN_TASKS[task]])
    if task not in _MODULES:
        return _make_class(task)
    own: type[NeuronModel] = getattr(importlib.import_module(_MODULES[task]), OWN_TASKS[task].model_class)
    return own


def _make_class(task: str) -> type[NeuronModel]:
    row = OWN_TASKS[task]
    outputs = ", ".join(f"`{name}`" for graph in row.graphs for name in graph.outputs)
    text = f"Models for {task}: call it as transformers' class of the same name. Outputs: {outputs}, where the model has them."
    first = row.graphs[0].inputs[0].name
    members = {"task": task, "main_input_name": first, "__doc__": text, "__module__": __name__}
    return type(row.model_class, (ForwardModel,), members)


@final
class _ModelClasses(Mapping[str, type[NeuronModel]]):
    """Classes by task, each imported or made when it is asked for."""

    def __getitem__(self, task: str) -> type[NeuronModel]:
        return _class_of(task)

    def __iter__(self) -> Iterator[str]:
        return iter(OWN_TASKS)

    def __len__(self) -> int:
        return len(OWN_TASKS)


MODEL_CLASSES = _ModelClasses()

BY_NAME = {row.model_class: task for task, row in OWN_TASKS.items()}
"""Tasks by the names of their classes."""


def open_model(folder: str | Path) -> NeuronModel:
    """Load a release with the class that fits its task.

    Raises:
        ReleaseError: it is none, or this host can't run it.
    """
    return MODEL_CLASSES.get(read_index(Path(folder)).task, NeuronModel).from_pretrained(folder)
