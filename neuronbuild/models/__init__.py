"""Model classes: a release, or a model compiled on the spot, behind the API of transformers."""

from neuronbuild.models.base import NeuronModel
from neuronbuild.models.classes import BY_NAME, MODEL_CLASSES, open_model

__all__ = ["MODEL_CLASSES", "NeuronModel", "open_model"]


def __getattr__(name: str) -> type[NeuronModel]:
    if name not in BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return MODEL_CLASSES[BY_NAME[name]]
