"""The classes, one a task. Those that are only called are made from the task table; the others stand here or beside."""

from __future__ import annotations

from pathlib import Path

from neuronbuild.models.base import ForwardModel, NeuronModel
from neuronbuild.models.causal_lm import NeuronModelForCausalLM
from neuronbuild.models.registry import register
from neuronbuild.models.sentences import NeuronSentenceTransformers
from neuronbuild.models.seq2seq import NeuronModelForSeq2SeqLM
from neuronbuild.models.speech import NeuronModelForSpeechSeq2Seq
from neuronbuild.runtime.reader import read_index
from neuronbuild.tasks import OWN_TASKS

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
