"""Declarative build system for ahead-of-time compiled Hugging Face models.

Model classes are resolved when first used, so that importing the package, planning and the cache commands need no torch.
The tool itself is `neuronbuild.api`: `load_recipes`, `plan`, `apply`, `release`.
"""

from __future__ import annotations

import importlib
from typing import Any

from neuronbuild.tasks import OWN_TASKS
from neuronbuild.version import __version__

_PLACES = {
    "NeuronBuildError": "neuronbuild.errors",
    "ShapeError": "neuronbuild.errors",
    "TasksManager": "neuronbuild.api.introspection",
    "open_model": "neuronbuild.models",
    "pipeline": "neuronbuild.models.pipelines",
    **{task.model_class: "neuronbuild.models" for task in OWN_TASKS.values()},
}

__all__ = [  # noqa: PLE0604 (the tables are the list)
    "__version__",
    *_PLACES,
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (classes made from the task table have no static type)
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
