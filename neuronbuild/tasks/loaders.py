"""What the loader of optimum-neuron takes of the graphs that are compiled here for one core: its facts, as one table.

Read in the wheel of 0.4.5 (`optimum/neuron/modeling*.py`, `models/inference/clip`, `optimum/exporters/neuron`), and compared
with what it does by `tests/flows/test_neuron_loader.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.tasks.families import FAMILIES
from neuronbuild.tasks.images import HEIGHT, WIDTH
from neuronbuild.tasks.sentences import POOLING_MASK
from neuronbuild.tasks.sizes import config_sizes
from neuronbuild.tasks.table import FORWARD, TOKEN_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neuronbuild.tasks.families import Family
    from neuronbuild.tasks.table import Task

VERSION = "0.4.5"

TOOLCHAIN, INF1, EXPORTER = "neuronx", "neuron", "optimum"
"""The toolchain whose graphs that version may load, the one whose graphs it loads no longer, and its own."""

TYPES = "type_vocab_size"
"""The config's key for the number of token types."""

_TEXT = (
    "albert", "bert", "camembert", "convbert", "deberta", "deberta-v2", "distilbert", "electra", "esm", "flaubert",
    "mobilebert", "modernbert", "mpnet", "roberta", "roformer", "xlm", "xlm-roberta",
)  # fmt: skip
_ALL_SPEECH = ("unispeech-sat", "wav2vec2", "wavlm")
_SPEECH = ("hubert", "unispeech", *_ALL_SPEECH)
_IMAGES = ("beit", "convnext", "convnextv2", "cvt", "deit", "levit", "mobilenet_v2", "mobilevit", "swin", "vit")


def _text(*without: str) -> tuple[str, ...]:
    return tuple(name for name in _TEXT if name not in without)


@dataclass(frozen=True, slots=True)
class Loader:
    """A class of `optimum.neuron`, and the model types that it is registered for with a task."""

    name: str
    families: tuple[str, ...]


LOADERS: dict[str, Loader] = {
    "feature-extraction": Loader("NeuronModelForFeatureExtraction", _TEXT),
    "sentence-similarity": Loader("NeuronSentenceTransformers", tuple(FAMILIES)),
    "fill-mask": Loader("NeuronModelForMaskedLM", _TEXT),
    "text-classification": Loader("NeuronModelForSequenceClassification", _TEXT),
    "token-classification": Loader("NeuronModelForTokenClassification", _TEXT),
    "question-answering": Loader("NeuronModelForQuestionAnswering", _text("esm", "modernbert")),
    "multiple-choice": Loader("NeuronModelForMultipleChoice", _text("deberta", "deberta-v2", "esm", "modernbert")),
    "image-classification": Loader("NeuronModelForImageClassification", _IMAGES),
    "semantic-segmentation": Loader("NeuronModelForSemanticSegmentation", ("mobilenet_v2", "mobilevit")),
    "object-detection": Loader("NeuronModelForObjectDetection", ("yolos",)),
    "zero-shot-image-classification": Loader("NeuronCLIPModel", ("clip",)),
    "audio-classification": Loader("NeuronModelForAudioClassification", ("audio-spectrogram-transformer", *_SPEECH)),
    "automatic-speech-recognition": Loader("NeuronModelForCTC", _SPEECH),
    "audio-frame-classification": Loader("NeuronModelForAudioFrameClassification", _ALL_SPEECH),
    "audio-xvector": Loader("NeuronModelForXVector", _ALL_SPEECH),
}
"""By task. A sentence-transformers model is of one type there, whatever is inside."""


def left_out(task: str, family: Family, config: Mapping[str, object]) -> frozenset[str]:
    """Inputs that a graph for Neuron doesn't take, since that class never passes them.

    That of sentence embeddings passes two. Where token types of zeros are what the model takes when there are none, it
    answers the same without them; elsewhere the input stays.
    """
    unasked = task == "sentence-similarity" and family.no_types is None
    without_table = family.model_type == "deberta" and config.get(TYPES) == 0
    return frozenset({TOKEN_TYPES}) if unasked or without_table else frozenset()


def outputs_of(task: Task, toolchain: str = "") -> list[str]:
    """The outputs that a task's graphs may have, in order; with those that only that class reads where it may load them."""
    own = [name for graph in task.graphs for name in graph.outputs]
    read = [name for graph in task.graphs for name in graph.further] if toolchain == TOOLCHAIN else []
    return list(dict.fromkeys([*own, *read]))


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the facts are about: the graphs of one release."""

    task: str
    model_type: str
    toolchain: str
    separate: bool
    graphs: frozenset[str]
    inputs: frozenset[str]
    config: Mapping[str, object]
    shapes: tuple[Mapping[str, int], ...]

    @property
    def loader(self) -> Loader | None:
        """The class that may load them."""
        return LOADERS.get(self.task)

    @property
    def resized(self) -> bool:
        """Whether they take images of other sizes than the model's config says."""
        said = config_sizes(self.config)
        return any(shape.get(axis, said[axis]) != said[axis] for shape in self.shapes for axis in (HEIGHT, WIDTH))


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about that loader: where it holds, and a sentence for whoever has the release."""

    holds: Callable[[Compiled], bool]
    sentence: str


def _is_unregistered(compiled: Compiled) -> bool:
    return compiled.loader is None or compiled.model_type not in compiled.loader.families


REFUSALS: tuple[Fact, ...] = (
    Fact(
        lambda compiled: compiled.toolchain == EXPORTER,
        "optimum-neuron exports this model itself, and its folder lies as its loader wants it.",
    ),
    Fact(
        lambda compiled: compiled.separate,
        "Its weights lie apart from the compiled graph. optimum-neuron binds none, and finds nothing here that it could load: "
        "use neuronbuild.",
    ),
    Fact(
        lambda compiled: compiled.graphs != {FORWARD},
        "Its graphs keep a cache that one hands to the other. optimum-neuron has no class for such, and finds nothing here "
        "that it could load: use neuronbuild.",
    ),
    Fact(
        lambda compiled: POOLING_MASK in compiled.inputs,
        "Its graph is told which tokens are those of a prompt, so that they aren't pooled. optimum-neuron tells no graph that, "
        "and finds nothing here that it could load: use neuronbuild.",
    ),
    Fact(
        lambda compiled: compiled.task == "sentence-similarity" and TOKEN_TYPES in compiled.inputs,
        "Its graph takes token_type_ids, since zeros aren't the same as none in this model. optimum-neuron passes none for "
        "sentence embeddings, and finds nothing here that it could load: use neuronbuild.",
    ),
    Fact(
        _is_unregistered,
        f"optimum-neuron {VERSION} doesn't know this type of model for this task, and finds nothing here that it could load: "
        "use neuronbuild.",
    ),
)
"""What it can't load at all: then no file stands where it would look."""

REMARKS: tuple[Fact, ...] = (
    Fact(
        lambda compiled: compiled.model_type == "deberta" and TOKEN_TYPES not in compiled.inputs,
        "This model has no token types. Leave token_type_ids out of calls there: the class stops at inputs it doesn't know.",
    ),
    Fact(
        lambda compiled: TOKEN_TYPES in compiled.inputs,
        "Give token_type_ids in every call there, as its tokenizer does: the class has no value of its own for them.",
    ),
    Fact(
        lambda compiled: compiled.model_type == "clip",
        "Its class cuts no rows off: results for fewer texts or images than were compiled for have further rows, of padding.",
    ),
    Fact(
        lambda compiled: compiled.resized,
        "It takes images of the compiled size, which isn't the original model's: tell the processor that size.",
    ),
)
"""What has to be known of calls there, where it loads them."""


def refusal(compiled: Compiled) -> str | None:
    """Why that loader can't take them, if it can't."""
    return next((fact.sentence for fact in REFUSALS if fact.holds(compiled)), None)


def remarks(compiled: Compiled) -> tuple[str, ...]:
    """What has to be known of calls there."""
    return tuple(fact.sentence for fact in REMARKS if fact.holds(compiled))
