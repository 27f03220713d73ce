"""`NeuronModelForXXX`: the classes that people load models with."""

from neuronbuild.models.base import NeuronModel
from neuronbuild.models.classes import (
    MODEL_CLASSES,
    NeuronModelForFeatureExtraction,
    NeuronModelForMaskedLM,
    NeuronModelForMultipleChoice,
    NeuronModelForQuestionAnswering,
    NeuronModelForSequenceClassification,
    NeuronModelForTokenClassification,
    NeuronSentenceTransformers,
    open_model,
)

__all__ = [
    "MODEL_CLASSES",
    "NeuronModel",
    "NeuronModelForFeatureExtraction",
    "NeuronModelForMaskedLM",
    "NeuronModelForMultipleChoice",
    "NeuronModelForQuestionAnswering",
    "NeuronModelForSequenceClassification",
    "NeuronModelForTokenClassification",
    "NeuronSentenceTransformers",
    "open_model",
]
