"""The task table: what a row is, and the rows of tasks that read text alone. Plain data; a new task is a new row.

Axes, input order and input names follow optimum-neuron, whose users know them; text generation is our own. What reads images
or sound is in `images` and `audio`, and all together in `catalog`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from neuronbuild.tasks.sentences import POOLING_MASK

BATCH, SEQUENCE, CHOICES = "batch_size", "sequence_length", "num_choices"
PREFILL, BEAMS = "prefill_length", "num_beams"

WHOLE = "model"
"""The one graph of a model that another tool exports."""

ROWS = "rows"
"""A dimension that holds `batch_size` times `num_beams` sequences."""

MEL_BINS, INPUT_FRAMES = "num_mel_bins", "input_frames"
"""Sizes of a log-mel spectrogram, which the config decides."""

MASK, TOKEN_TYPES = "attention_mask", "token_type_ids"
"""Names of inputs that may be left out of a call."""

FORWARD, PREFILL_GRAPH, DECODE_GRAPH, ENCODER_GRAPH, DECODER_GRAPH = "forward", "prefill", "decode", "encoder", "decoder"

Axes = tuple[str | int | None, ...]
"""What decides each dimension: an axis, a size that follows from axes or config, a number, or `None` for anything else."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a graph. The graph is positional, so its place in the row is part of the contract."""

    name: str
    axes: Axes
    dtype: str = "int64"


@dataclass(frozen=True, slots=True)
class Graph:
    """One traced function of a task: the axes that shape it, its inputs, and the outputs that may occur, in order.

    A model gives those outputs that it has. `states` are tensors of a cache that the graph reads and updates in place, or
    that it fills as outputs, by the beginning of their names. `optional` are inputs that only some models take, after all
    others. `further` are outputs that only optimum-neuron's classes read: a dot joins the names of those in a tuple there.
    """

    name: str
    axes: tuple[str, ...]
    inputs: tuple[Input, ...]
    outputs: dict[str, Axes]
    states: dict[str, Axes] = field(default_factory=dict)
    optional: tuple[Input, ...] = ()
    further: dict[str, Axes] = field(default_factory=dict)

    def axes_of(self, name: str) -> Axes:
        """What decides the dimensions of an output or a state.

        Raises:
            KeyError: the graph has neither.
        """
        outputs = self.outputs | self.further
        return outputs[name] if name in outputs else self.states[name.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: transformers' auto class, our model class, the class of its outputs, and its graphs.

    `tag` is the Hub's name for the task, and transformers' for its pipeline, where that isn't `name`; `pipelines` are the
    names of all pipelines that run such models, where that is another one or more than one. `optional` holds the
    axes that a recipe may leave out, with the size that they have then; `None` is what the model's config says: its image
    size, or the longest sequence that it can read. `suffixes` are the endings of transformers' class names from which the
    task is inferred. `labels` says that the number of labels shapes the graph. `whole` are the axes that shape a model which
    another tool exports all at once; tasks without graphs are that tool's alone, to run as well. `multiples` says of which
    numbers the sizes of axes are multiples.
    """

    name: str
    auto_class: str
    model_class: str
    output_class: str
    graphs: tuple[Graph, ...]
    suffixes: tuple[str, ...] = ()
    labels: bool = False
    optional: dict[str, int | None] = field(default_factory=dict)
    tag: str = ""
    pipelines: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    multiples: dict[str, int] = field(default_factory=dict)

    @property
    def pipeline_tag(self) -> str:
        """What the Hub calls the task."""
        return self.tag or self.name

    @property
    def runs_in(self) -> tuple[str, ...]:
        """The pipelines of transformers that run models of the task, the usual one first, as far as they exist."""
        return self.pipelines or (self.pipeline_tag,)

    @property
    def axes(self) -> tuple[str, ...]:
        """Every axis of the task's grid, in order."""
        return tuple(dict.fromkeys(axis for graph in self.every for axis in graph.axes))

    @property
    def mandatory(self) -> tuple[str, ...]:
        """The axes that a recipe must give."""
        return tuple(axis for axis in self.axes if axis not in self.optional)

    def graph(self, name: str) -> Graph:
        """The graph of that name.

        Raises:
            KeyError: the task has none.
        """
        return {graph.name: graph for graph in self.every}[name]

    @property
    def generates(self) -> bool:
        """Whether graphs are run again and again over a cache of a fixed number of rows."""
        return len(self.graphs) > 1

    @property
    def delegated(self) -> Graph | None:
        """The whole model as one, whose tensors are another tool's business; `None` where no other tool is used."""
        return Graph(WHOLE, self.whole, (), {}) if self.whole else None

    @property
    def every(self) -> tuple[Graph, ...]:
        """The graphs of the task, and the whole."""
        return (*self.graphs, self.delegated) if self.delegated else self.graphs


TEXT_INPUTS = ("input_ids", MASK, TOKEN_TYPES)


def _text(outputs: dict[str, Axes], dims: tuple[str, ...] = (BATCH, SEQUENCE), axes: tuple[str, ...] = ()) -> tuple[Graph, ...]:
    """The one graph of a text encoder: all inputs are of one shape."""
    return (Graph(FORWARD, axes or dims, tuple(Input(name, dims) for name in TEXT_INPUTS), outputs),)


_SENTENCES = replace(
    _text({"token_embeddings": (BATCH, SEQUENCE, None), "sentence_embedding": (BATCH, None)})[0],
    optional=(Input(POOLING_MASK, (BATCH, SEQUENCE)),),
)

_PREFILL = Graph(
    PREFILL_GRAPH,
    (BATCH, PREFILL, SEQUENCE),
    (
        Input("input_ids", (BATCH, PREFILL)),
        Input("attention_mask", (BATCH, SEQUENCE)),
        Input("position_ids", (BATCH, PREFILL)),
        Input("cache_start", (1,)),
        Input("last_token", (1,)),
    ),
    {"logits": (BATCH, None)},
    {"self": (BATCH, None, SEQUENCE, None)},
)
"""Reads a chunk of a prompt into the cache, from the slot `cache_start` on, and scores what may follow token `last_token`."""

_DECODE = Graph(
    DECODE_GRAPH,
    (BATCH, BEAMS, SEQUENCE),
    (
        Input("input_ids", (ROWS, 1)),
        Input("attention_mask", (ROWS, SEQUENCE)),
        Input("position_ids", (ROWS, 1)),
        Input("cache_start", (1,)),
    ),
    {"logits": (ROWS, None)},
    {"self": (ROWS, None, SEQUENCE, None)},
)
"""Reads one token of each sequence."""


def _seq2seq(given: tuple[Input, ...], axes: tuple[str, ...], source: str | None) -> tuple[Graph, ...]:
    """An encoder, and a decoder over its own cache and what the encoder computed for it from a `source` of some length."""
    encoder = Graph(
        ENCODER_GRAPH, axes, given, {"last_hidden_state": (BATCH, source, None)}, {"cross": (BATCH, None, source, None)}
    )
    mask = () if source is None else (Input("attention_mask", (ROWS, source)),)
    decoder = Graph(
        DECODER_GRAPH,
        (BATCH, SEQUENCE, BEAMS),
        (Input("decoder_input_ids", (ROWS, 1)), *mask, Input("cache_start", (1,))),
        {"logits": (ROWS, None)},
        {"self": (ROWS, None, SEQUENCE, None), "cross": (ROWS, None, source, None)},
    )
    return encoder, decoder


TEXT_TASKS: tuple[Task, ...] = (
    Task(
        name="feature-extraction",
        auto_class="AutoModel",
        model_class="NeuronModelForFeatureExtraction",
        output_class="BaseModelOutputWithPooling",
        graphs=_text({"last_hidden_state": (BATCH, SEQUENCE, None), "pooler_output": (BATCH, None)}),
        suffixes=("Model", "PreTraining"),
        whole=(BATCH, SEQUENCE),
    ),
    Task(
        name="sentence-similarity",
        auto_class="AutoModel",
        model_class="NeuronSentenceTransformers",
        output_class="ModelOutput",
        graphs=(_SENTENCES,),
        pipelines=("feature-extraction",),
    ),
    Task(
        name="fill-mask",
        auto_class="AutoModelForMaskedLM",
        model_class="NeuronModelForMaskedLM",
        output_class="MaskedLMOutput",
        graphs=_text({"logits": (BATCH, SEQUENCE, None)}),
        suffixes=("ForMaskedLM", "WithLMHeadModel"),
    ),
    Task(
        name="text-classification",
        auto_class="AutoModelForSequenceClassification",
        model_class="NeuronModelForSequenceClassification",
        output_class="SequenceClassifierOutput",
        graphs=_text({"logits": (BATCH, None)}),
        suffixes=("ForSequenceClassification",),
        labels=True,
        pipelines=("text-classification", "zero-shot-classification"),
    ),
    Task(
        name="token-classification",
        auto_class="AutoModelForTokenClassification",
        model_class="NeuronModelForTokenClassification",
        output_class="TokenClassifierOutput",
        graphs=_text({"logits": (BATCH, SEQUENCE, None)}),
        suffixes=("ForTokenClassification",),
        labels=True,
    ),
    Task(
        name="question-answering",
        auto_class="AutoModelForQuestionAnswering",
        model_class="NeuronModelForQuestionAnswering",
        output_class="QuestionAnsweringModelOutput",
        graphs=_text({"start_logits": (BATCH, SEQUENCE), "end_logits": (BATCH, SEQUENCE)}),
        suffixes=("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
    ),
    Task(
        name="multiple-choice",
        auto_class="AutoModelForMultipleChoice",
        model_class="NeuronModelForMultipleChoice",
        output_class="MultipleChoiceModelOutput",
        graphs=_text({"logits": (BATCH, CHOICES)}, (BATCH, CHOICES, SEQUENCE), (BATCH, SEQUENCE, CHOICES)),
        suffixes=("ForMultipleChoice",),
    ),
    Task(
        name="text-generation",
        auto_class="AutoModelForCausalLM",
        model_class="NeuronModelForCausalLM",
        output_class="CausalLMOutputWithPast",
        graphs=(_PREFILL, _DECODE),
        suffixes=("ForCausalLM", "LMHeadModel"),
        optional={BATCH: 1, PREFILL: 128, SEQUENCE: None, BEAMS: 1},
        whole=(BATCH, SEQUENCE),
    ),
    Task(
        name="text2text-generation",
        auto_class="AutoModelForSeq2SeqLM",
        model_class="NeuronModelForSeq2SeqLM",
        output_class="Seq2SeqLMOutput",
        graphs=_seq2seq(
            (Input("input_ids", (BATCH, SEQUENCE)), Input("attention_mask", (BATCH, SEQUENCE))), (BATCH, SEQUENCE), SEQUENCE
        ),
        suffixes=("ForConditionalGeneration", "MTModel"),
        whole=(BATCH, SEQUENCE, BEAMS),
    ),
    Task(
        name="speech-seq2seq",
        auto_class="AutoModelForSpeechSeq2Seq",
        model_class="NeuronModelForSpeechSeq2Seq",
        output_class="Seq2SeqLMOutput",
        graphs=_seq2seq((Input("input_features", (BATCH, MEL_BINS, INPUT_FRAMES), "float32"),), (BATCH,), None),
        suffixes=("WhisperForConditionalGeneration",),
        optional={BEAMS: 1},
        whole=(BATCH, SEQUENCE),
        tag="automatic-speech-recognition",
    ),
)
