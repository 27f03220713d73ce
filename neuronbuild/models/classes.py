"""The classes: final, a few lines each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from transformers import modeling_outputs
from transformers.utils import ModelOutput

from neuronbuild.models.base import NeuronModel
from neuronbuild.runtime.reader import read_index

if TYPE_CHECKING:
    import torch


@final
class NeuronModelForFeatureExtraction(NeuronModel):
    """Token embeddings: `last_hidden_state`, and `pooler_output` where the model has it."""

    task: ClassVar[str] = "feature-extraction"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.BaseModelOutputWithPooling(**tensors)


@final
class NeuronSentenceTransformers(NeuronModel):
    """Sentence embeddings: `token_embeddings` and `sentence_embedding`, pooled and normalised inside the graph."""

    task: ClassVar[str] = "sentence-similarity"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return ModelOutput(**tensors)

    def encode(self, sentences: str | list[str]) -> np.ndarray:
        """Embeddings of sentences: float32 of shape (sentences, hidden), or (hidden,) for one string.

        Sentences are cut to the longest compiled shape, and run in the largest batches that are compiled for it.
        """
        texts = [sentences] if isinstance(sentences, str) else sentences
        if not texts:
            return np.empty((0, self.config.hidden_size), np.float32)
        step = max(shape["batch_size"] for shape in self.shapes if shape["sequence_length"] == self.longest)
        rows: list[np.ndarray] = []
        for start in range(0, len(texts), step):
            batch = texts[start : start + step]
            encoded = self.tokenizer(batch, padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
            rows += list(self(**encoded).sentence_embedding.float().numpy())
        return rows[0] if isinstance(sentences, str) else np.stack(rows)


@final
class NeuronModelForMaskedLM(NeuronModel):
    """Scores over the vocabulary for each token: `logits`."""

    task: ClassVar[str] = "fill-mask"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.MaskedLMOutput(**tensors)


@final
class NeuronModelForSequenceClassification(NeuronModel):
    """Scores over labels for each text: `logits`."""

    task: ClassVar[str] = "text-classification"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.SequenceClassifierOutput(**tensors)


@final
class NeuronModelForTokenClassification(NeuronModel):
    """Scores over labels for each token: `logits`."""

    task: ClassVar[str] = "token-classification"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.TokenClassifierOutput(**tensors)


@final
class NeuronModelForQuestionAnswering(NeuronModel):
    """Scores of each token as start and end of the answer: `start_logits`, `end_logits`."""

    task: ClassVar[str] = "question-answering"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.QuestionAnsweringModelOutput(**tensors)


@final
class NeuronModelForMultipleChoice(NeuronModel):
    """Scores over choices: `logits`."""

    task: ClassVar[str] = "multiple-choice"

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        return modeling_outputs.MultipleChoiceModelOutput(**tensors)


MODEL_CLASSES: dict[str, type[NeuronModel]] = {
    each.task: each
    for each in (
        NeuronModelForFeatureExtraction,
        NeuronSentenceTransformers,
        NeuronModelForMaskedLM,
        NeuronModelForSequenceClassification,
        NeuronModelForTokenClassification,
        NeuronModelForQuestionAnswering,
        NeuronModelForMultipleChoice,
    )
}


def open_model(folder: str | Path) -> NeuronModel:
    """Load a release with the class that fits its task.

    Raises:
        ReleaseError: it is none, or this host can't run it.
    """
    return MODEL_CLASSES[read_index(Path(folder)).task].from_pretrained(folder)
