"""What the planner must know of each model type without importing transformers, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.tasks.table import TASKS, Graph

if TYPE_CHECKING:
    from neuronbuild.tasks.table import Input

TEXT = (
    "feature-extraction", "sentence-similarity", "fill-mask", "text-classification", "token-classification",
    "question-answering", "multiple-choice",
)  # fmt: skip
"""What a text encoder can do."""

GENERATION = ("text-generation",)
TRANSLATION = ("text2text-generation",)


@dataclass(frozen=True, slots=True)
class Family:
    """One model type and the tasks that it is compiled for.

    `token_types` says that the graph takes `token_type_ids`. XLM and FlauBERT look them up among the words, so that zeros say
    something else than none, and whoever gives none must get none. Their multiple choice isn't compiled: its size follows
    from the number of labels, which says nothing about any other model's.

    `positions` is how far the longest sequence falls short of `max_position_embeddings`, or `None` where no table of
    positions bounds the length. `attention` is the implementation that the graph is traced with. `padding_matters` says that
    padded tokens change the results of the others, mask or no mask (a convolution runs over them), in transformers as well.
    """

    model_type: str
    tasks: tuple[str, ...]
    token_types: bool = False
    attention: str = "sdpa"
    positions: int | None = 0
    padding_matters: bool = False


def _text(*without: str) -> tuple[str, ...]:
    return tuple(task for task in TEXT if task not in without)


FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family("albert", TEXT, token_types=True),
        Family("bart", TRANSLATION),
        Family("bert", TEXT, token_types=True),
        Family("camembert", TEXT, positions=2),
        Family("convbert", TEXT, token_types=True, attention="eager", padding_matters=True),
        Family("deberta", _text("multiple-choice"), token_types=True, attention="eager"),
        Family("deberta-v2", TEXT, token_types=True, attention="eager"),
        Family("distilbert", TEXT),
        Family("electra", TEXT, token_types=True),
        Family("esm", _text("question-answering", "multiple-choice"), positions=2),
        Family("flaubert", _text("multiple-choice"), attention="eager"),
        Family("gemma", GENERATION),
        Family("gpt2", GENERATION),
        Family("granite", GENERATION),
        Family("llama", GENERATION),
        Family("m2m_100", TRANSLATION),
        Family("marian", TRANSLATION),
        Family("mbart", TRANSLATION),
        Family("mistral", GENERATION),
        Family("mobilebert", TEXT, token_types=True),
        Family("modernbert", TEXT),
        Family("mpnet", TEXT, attention="eager", positions=2),
        Family("mt5", TRANSLATION, positions=None),
        Family("opt", GENERATION),
        Family("pegasus", TRANSLATION),
        Family("phi3", GENERATION),
        Family("qwen2", GENERATION),
        Family("qwen3", GENERATION),
        Family("roberta", TEXT, positions=2),
        Family("roformer", TEXT, token_types=True, attention="eager"),
        Family("smollm3", GENERATION),
        Family("t5", TRANSLATION, positions=None),
        Family("whisper", ("speech-seq2seq",)),
        Family("xlm", _text("multiple-choice"), attention="eager"),
        Family("xlm-roberta", TEXT, positions=2),
    )
}


def families_for(task: str) -> list[str]:
    """The model types that a task is compiled for."""
    return [name for name, family in FAMILIES.items() if task in family.tasks]


def graph_inputs(graph: Graph, family: Family) -> tuple[Input, ...]:
    """The inputs of a graph for a family, in order."""
    return tuple(entry for entry in graph.inputs if entry.name != "token_type_ids" or family.token_types)


def tasks_of(family: Family) -> list[str]:
    """The tasks of a family, in the table's order."""
    return [name for name in TASKS if name in family.tasks]
