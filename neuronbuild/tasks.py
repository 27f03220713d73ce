"""The task table: what can be compiled, as plain data. A new task is a new row.

Axes, input order and input names follow optimum-neuron, whose users know them.
"""

from __future__ import annotations

from dataclasses import dataclass

BATCH, SEQUENCE, CHOICES = "batch_size", "sequence_length", "num_choices"

FORWARD = "forward"

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its classes, the axes that a recipe must give, and which axis decides which dimension.

    `input_axes` holds for every input (all are int64). `outputs` lists the outputs that may occur, in order; a model gives
    those that it has. `suffixes` are the endings of transformers' class names from which the task is inferred. `labels`
    says that the number of labels shapes the graph.
    """

    name: str
    auto_class: str
    model_class: str
    axes: tuple[str, ...]
    input_axes: tuple[str, ...]
    outputs: dict[str, tuple[str | None, ...]]
    suffixes: tuple[str, ...] = ()
    labels: bool = False
    inputs: tuple[str, ...] = TEXT_INPUTS
    graphs: tuple[str, ...] = (FORWARD,)


_TEXT = (BATCH, SEQUENCE)

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="feature-extraction",
            auto_class="AutoModel",
            model_class="NeuronModelForFeatureExtraction",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"last_hidden_state": (BATCH, SEQUENCE, None), "pooler_output": (BATCH, None)},
            suffixes=("Model", "PreTraining"),
        ),
        Task(
            name="sentence-similarity",
            auto_class="AutoModel",
            model_class="NeuronSentenceTransformers",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"token_embeddings": (BATCH, SEQUENCE, None), "sentence_embedding": (BATCH, None)},
        ),
        Task(
            name="fill-mask",
            auto_class="AutoModelForMaskedLM",
            model_class="NeuronModelForMaskedLM",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"logits": (BATCH, SEQUENCE, None)},
            suffixes=("ForMaskedLM", "WithLMHeadModel"),
        ),
        Task(
            name="text-classification",
            auto_class="AutoModelForSequenceClassification",
            model_class="NeuronModelForSequenceClassification",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"logits": (BATCH, None)},
            suffixes=("ForSequenceClassification",),
            labels=True,
        ),
        Task(
            name="token-classification",
            auto_class="AutoModelForTokenClassification",
            model_class="NeuronModelForTokenClassification",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"logits": (BATCH, SEQUENCE, None)},
            suffixes=("ForTokenClassification",),
            labels=True,
        ),
        Task(
            name="question-answering",
            auto_class="AutoModelForQuestionAnswering",
            model_class="NeuronModelForQuestionAnswering",
            axes=_TEXT,
            input_axes=_TEXT,
            outputs={"start_logits": (BATCH, SEQUENCE), "end_logits": (BATCH, SEQUENCE)},
            suffixes=("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
        ),
        Task(
            name="multiple-choice",
            auto_class="AutoModelForMultipleChoice",
            model_class="NeuronModelForMultipleChoice",
            axes=(BATCH, SEQUENCE, CHOICES),
            input_axes=(BATCH, CHOICES, SEQUENCE),
            outputs={"logits": (BATCH, CHOICES)},
            suffixes=("ForMultipleChoice",),
        ),
    )
}

AXES = tuple(dict.fromkeys(axis for task in TASKS.values() for axis in task.axes))
"""Every axis name that some task has."""


@dataclass(frozen=True, slots=True)
class Family:
    """What the planner must know of a model type without importing transformers.

    `token_types` says that the graph takes `token_type_ids`. XLM and FlauBERT look them up among the words, so that zeros say
    something else than none, and whoever gives none must get none. Their multiple choice isn't compiled: its size follows
    from the number of labels, which says nothing about any other model's.

    `positions` is how far the longest sequence falls short of `max_position_embeddings`, or `None` where no table of
    positions bounds the length. `attention` is the implementation that the graph is traced with. `padding_matters` says that
    padded tokens change the results of the others, mask or no mask (a convolution runs over them), in transformers as well.
    """

    model_type: str
    token_types: bool
    attention: str
    positions: int | None = 0
    padding_matters: bool = False
    tasks_without: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family("albert", token_types=True, attention="sdpa"),
        Family("bert", token_types=True, attention="sdpa"),
        Family("camembert", token_types=False, attention="sdpa", positions=2),
        Family("convbert", token_types=True, attention="eager", padding_matters=True),
        Family("deberta", token_types=True, attention="eager", tasks_without=("multiple-choice",)),
        Family("deberta-v2", token_types=True, attention="eager"),
        Family("distilbert", token_types=False, attention="sdpa"),
        Family("electra", token_types=True, attention="sdpa"),
        Family(
            "esm",
            token_types=False,
            attention="sdpa",
            positions=2,
            tasks_without=("question-answering", "multiple-choice"),
        ),
        Family("flaubert", token_types=False, attention="eager", tasks_without=("multiple-choice",)),
        Family("mobilebert", token_types=True, attention="sdpa"),
        Family("modernbert", token_types=False, attention="sdpa"),
        Family("mpnet", token_types=False, attention="eager", positions=2),
        Family("roberta", token_types=False, attention="sdpa", positions=2),
        Family("roformer", token_types=True, attention="eager"),
        Family("xlm", token_types=False, attention="eager", tasks_without=("multiple-choice",)),
        Family("xlm-roberta", token_types=False, attention="sdpa", positions=2),
    )
}


def input_names(task: Task, family: Family) -> tuple[str, ...]:
    """The inputs of a task's graph for a family, in order: the graph is positional, so the order is part of the contract."""
    return tuple(name for name in task.inputs if name != "token_type_ids" or family.token_types)


def infer_task(architectures: list[str], *, sentence_transformers: bool) -> str | None:
    """The task of a model from its class names, or `None` where they tell nothing."""
    if sentence_transformers:
        return "sentence-similarity"
    for name in architectures:
        matches = [(len(suffix), task.name) for task in TASKS.values() for suffix in task.suffixes if name.endswith(suffix)]
        if matches:
            return max(matches)[1]
    return None
