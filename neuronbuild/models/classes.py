"""The classes, one a task. Those that are only called are made from the task table; the others stand here or beside."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np

from neuronbuild.models.base import ForwardModel, NeuronModel
from neuronbuild.models.causal_lm import NeuronModelForCausalLM
from neuronbuild.models.registry import register
from neuronbuild.models.seq2seq import NeuronModelForSeq2SeqLM
from neuronbuild.models.speech import NeuronModelForSpeechSeq2Seq
from neuronbuild.runtime.reader import read_index
from neuronbuild.tasks import OWN_TASKS


@final
class NeuronSentenceTransformers(ForwardModel):
    """Sentence embeddings: `token_embeddings` and `sentence_embedding`, pooled and normalised inside the graph."""

    task: ClassVar[str] = "sentence-similarity"

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


_OWN: tuple[type[NeuronModel], ...] = (
    NeuronSentenceTransformers,
    NeuronModelForCausalLM,
    NeuronModelForSeq2SeqLM,
    NeuronModelForSpeechSeq2Seq,
)


def _make_class(task: str) -> type[NeuronModel]:
    row = OWN_TASKS[task]
    outputs = ", ".join(f"`{name}`" for graph in row.graphs for name in graph.outputs)
    text = f"Models for {task}: call it as transformers' class of the same name. Outputs: {outputs}, where the model has them."
    first = row.graphs[0].inputs[0].name
    members = {"task": task, "main_input_name": first, "__doc__": text, "__module__": __name__}
    return type(row.model_class, (ForwardModel,), members)


MODEL_CLASSES: dict[str, type[NeuronModel]] = {task: _make_class(task) for task in OWN_TASKS} | {
    each.task: each for each in _OWN
}
"""Classes by task."""

register(OWN_TASKS.values())

BY_NAME = {each.__name__: each for each in MODEL_CLASSES.values()}


def open_model(folder: str | Path) -> NeuronModel:
    """Load a release with the class that fits its task.

    Raises:
        ReleaseError: it is none, or this host can't run it.
    """
    return MODEL_CLASSES.get(read_index(Path(folder)).task, NeuronModel).from_pretrained(folder)
