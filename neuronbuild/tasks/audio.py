"""The rows of tasks that read sound: samples, or what a feature extractor makes of them. No graph takes a mask."""

from __future__ import annotations

from neuronbuild.tasks.table import BATCH, FORWARD, Axes, Graph, Input, Task

AUDIO = "audio_sequence_length"

FRAMES = "frames"
"""A dimension that holds what convolutions leave of `audio_sequence_length` samples."""


def _audio(outputs: dict[str, Axes]) -> tuple[Graph, ...]:
    """The one graph of a model that is given sound."""
    return (Graph(FORWARD, (BATCH, AUDIO), (Input("input_values", (BATCH, AUDIO), "float32"),), outputs),)


AUDIO_TASKS: tuple[Task, ...] = (
    Task(
        name="audio-classification",
        auto_class="AutoModelForAudioClassification",
        model_class="NeuronModelForAudioClassification",
        output_class="SequenceClassifierOutput",
        graphs=_audio({"logits": (BATCH, None)}),
        suffixes=("ForAudioClassification", "ForSequenceClassification"),
        labels=True,
    ),
    Task(
        name="automatic-speech-recognition",
        auto_class="AutoModelForCTC",
        model_class="NeuronModelForCTC",
        output_class="CausalLMOutput",
        graphs=_audio({"logits": (BATCH, FRAMES, None)}),
        suffixes=("ForCTC",),
    ),
    Task(
        name="audio-frame-classification",
        auto_class="AutoModelForAudioFrameClassification",
        model_class="NeuronModelForAudioFrameClassification",
        output_class="TokenClassifierOutput",
        graphs=_audio({"logits": (BATCH, FRAMES, None)}),
        suffixes=("ForAudioFrameClassification",),
        labels=True,
    ),
    Task(
        name="audio-xvector",
        auto_class="AutoModelForAudioXVector",
        model_class="NeuronModelForXVector",
        output_class="XVectorOutput",
        graphs=_audio({"logits": (BATCH, None), "embeddings": (BATCH, None)}),
        suffixes=("ForXVector",),
        labels=True,
    ),
)
