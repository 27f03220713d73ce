"""What the planner must know of each model type without importing transformers, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from neuronbuild.tasks.audio import AUDIO
from neuronbuild.tasks.catalog import TASKS
from neuronbuild.tasks.table import BATCH, MEL_BINS, Graph

if TYPE_CHECKING:
    from neuronbuild.tasks.table import Axes, Input

TEXT = (
    "feature-extraction", "sentence-similarity", "fill-mask", "text-classification", "token-classification",
    "question-answering", "multiple-choice",
)  # fmt: skip
"""What a text encoder can do."""

GENERATION = ("text-generation",)
TRANSLATION = ("text2text-generation",)
IMAGES = ("image-classification",)
SEGMENTS = ("image-classification", "semantic-segmentation")
SPEECH = ("audio-classification", "automatic-speech-recognition")
ALL_SPEECH = (*SPEECH, "audio-frame-classification", "audio-xvector")


@dataclass(frozen=True, slots=True)
class Family:
    """One model type and the tasks that it is compiled for.

    `token_types` says that the graph takes `token_type_ids`. XLM and FlauBERT look them up among the words, so that zeros are
    not the same as none: `no_types` is the number that says none. Their tokenizers give zeros in transformers 4 and nothing in
    5, and the answers differ. Their multiple choice isn't compiled: its size follows from the number of labels, which says
    nothing about any other model's.

    `positions` is how far the longest sequence falls short of `max_position_embeddings`, or `None` where no table of
    positions bounds the length. `attention` is the implementation that the graph is traced with.

    `dims` are dimensions of inputs that are others than the table says. `variants` are classes of one task that have other
    weights than the first: the model's own `architectures` choose among them.
    """

    model_type: str
    tasks: tuple[str, ...]
    token_types: bool = False
    no_types: int | None = None
    attention: str = "sdpa"
    positions: int | None = 0
    dims: dict[str, Axes] = field(default_factory=dict)
    variants: tuple[str, ...] = ()


def _text(*without: str) -> tuple[str, ...]:
    return tuple(task for task in TEXT if task not in without)


FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family("albert", TEXT, token_types=True),
        Family("audio-spectrogram-transformer", ("audio-classification",), dims={"input_values": (BATCH, AUDIO, MEL_BINS)}),
        Family("bart", TRANSLATION),
        Family("beit", IMAGES),
        Family("bert", TEXT, token_types=True),
        Family("camembert", TEXT, positions=2),
        Family("clip", ("zero-shot-image-classification",)),
        Family("convbert", TEXT, token_types=True, attention="eager"),
        Family("convnext", IMAGES, attention="eager"),
        Family("convnextv2", IMAGES, attention="eager"),
        Family("cvt", IMAGES, attention="eager"),
        Family("deberta", _text("multiple-choice"), token_types=True, attention="eager"),
        Family("deberta-v2", TEXT, token_types=True, attention="eager"),
        Family("deit", IMAGES, variants=("DeiTForImageClassificationWithTeacher",)),
        Family("distilbert", TEXT),
        Family("electra", TEXT, token_types=True),
        Family("esm", _text("question-answering", "multiple-choice"), positions=2),
        Family("flaubert", _text("multiple-choice"), token_types=True, no_types=-1, attention="eager"),
        Family("gemma", GENERATION),
        Family("gpt2", GENERATION),
        Family("granite", GENERATION),
        Family("hubert", SPEECH),
        Family("levit", IMAGES, attention="eager", variants=("LevitForImageClassificationWithTeacher",)),
        Family("llama", GENERATION),
        Family("m2m_100", TRANSLATION),
        Family("marian", TRANSLATION),
        Family("mbart", TRANSLATION),
        Family("mistral", GENERATION),
        Family("mobilebert", TEXT, token_types=True),
        Family("mobilenet_v2", SEGMENTS, attention="eager"),
        Family("mobilevit", SEGMENTS, attention="eager"),
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
        Family("swin", IMAGES),
        Family("t5", TRANSLATION, positions=None),
        Family("unispeech", SPEECH),
        Family("unispeech-sat", ALL_SPEECH),
        Family("vit", IMAGES),
        Family("wav2vec2", ALL_SPEECH),
        Family("wavlm", ALL_SPEECH, attention="eager"),
        Family("whisper", ("speech-seq2seq",)),
        Family("xlm", _text("multiple-choice"), token_types=True, no_types=-1, attention="eager"),
        Family("xlm-roberta", TEXT, positions=2),
        Family("yolos", ("object-detection",)),
    )
}


def families_for(task: str) -> list[str]:
    """The model types that a task is compiled for."""
    return [name for name, family in FAMILIES.items() if task in family.tasks]


def graph_inputs(graph: Graph, family: Family) -> tuple[Input, ...]:
    """The inputs of a graph for a family, in order."""
    return tuple(
        replace(entry, axes=family.dims.get(entry.name, entry.axes))
        for entry in graph.inputs
        if entry.name != "token_type_ids" or family.token_types
    )


def tasks_of(family: Family) -> list[str]:
    """The tasks of a family, in the table's order."""
    return [name for name in TASKS if name in family.tasks]
