"""Declarative build system for ahead-of-time compiled Hugging Face models.

Model classes are resolved when first used, so that importing the package, planning and the cache commands need no torch.
The tool itself is `neuronbuild.api`: `load_recipes`, `plan`, `apply`, `release`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from neuronbuild.version import __version__

if TYPE_CHECKING:
    from neuronbuild.errors import NeuronBuildError, ShapeError
    from neuronbuild.models import (
        NeuronModelForFeatureExtraction,
        NeuronModelForMaskedLM,
        NeuronModelForMultipleChoice,
        NeuronModelForQuestionAnswering,
        NeuronModelForSequenceClassification,
        NeuronModelForTokenClassification,
        NeuronSentenceTransformers,
        open_model,
    )

_ROOMS = {
    "neuronbuild.errors": ("NeuronBuildError", "ShapeError"),
    "neuronbuild.models": (
        "NeuronModelForFeatureExtraction",
        "NeuronModelForMaskedLM",
        "NeuronModelForMultipleChoice",
        "NeuronModelForQuestionAnswering",
        "NeuronModelForSequenceClassification",
        "NeuronModelForTokenClassification",
        "NeuronSentenceTransformers",
        "open_model",
    ),
}
_PLACES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [  # noqa: PLE0604 (the table is the list)
    "__version__",
    *_PLACES,
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
