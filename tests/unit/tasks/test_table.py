from __future__ import annotations

import pytest

from neuronbuild.tasks import FAMILIES, TASKS, all_sizes, config_sizes, graph_inputs

GRAPHS = [(task, graph) for task in TASKS.values() for graph in task.graphs]
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
every_graph = pytest.mark.parametrize(("task", "graph"), GRAPHS, ids=[f"{task.name}-{graph.name}" for task, graph in GRAPHS])


B, S, SOUND = "batch_size", "sequence_length", "audio_sequence_length"
MANDATORY = {
    "feature-extraction": (B, S),
    "sentence-similarity": (B, S),
    "fill-mask": (B, S),
    "text-classification": (B, S),
    "token-classification": (B, S),
    "question-answering": (B, S),
    "multiple-choice": (B, S, "num_choices"),
    "text-generation": (),
    "text2text-generation": (B, S, "num_beams"),
    "speech-seq2seq": (B, S),
    "image-classification": (B,),
    "semantic-segmentation": (B,),
    "object-detection": (B,),
    "zero-shot-image-classification": ("text_batch_size", "image_batch_size", S),
    "audio-classification": (B, SOUND),
    "automatic-speech-recognition": (B, SOUND),
    "audio-frame-classification": (B, SOUND),
    "audio-xvector": (B, SOUND),
}
"""What optimum-neuron's users must give, in its order."""

INPUTS = {
    ("bert", "fill-mask"): ["input_ids", "attention_mask", "token_type_ids"],
    ("roberta", "fill-mask"): ["input_ids", "attention_mask"],
    ("distilbert", "question-answering"): ["input_ids", "attention_mask"],
    ("bert", "sentence-similarity"): ["input_ids", "attention_mask", "token_type_ids"],
    ("clip", "zero-shot-image-classification"): ["input_ids", "pixel_values", "attention_mask"],
    ("vit", "image-classification"): ["pixel_values"],
    ("wav2vec2", "audio-xvector"): ["input_values"],
    ("t5", "text2text-generation"): ["input_ids", "attention_mask"],
    ("whisper", "speech-seq2seq"): ["input_features"],
}
"""Inputs of a task's first graph in order: the graph is positional."""


def test_axes_that_must_be_given_are_those_that_users_of_optimum_neuron_know():
    assert {name: task.mandatory for name, task in TASKS.items() if task.graphs} == MANDATORY


@pytest.mark.parametrize(("family", "task"), INPUTS)
def test_inputs_come_in_the_order_that_users_of_optimum_neuron_know(family, task):
    assert [entry.name for entry in graph_inputs(TASKS[task].graphs[0], FAMILIES[family])] == INPUTS[family, task]


def test_rows_are_filed_under_their_names():
    assert list(TASKS) == [task.name for task in TASKS.values()]


@every_graph
def test_every_dimension_has_an_axis_of_the_graph(task, graph):
    convolution = {"conv_kernel": [1], "conv_stride": [1], "num_mel_bins": 4, "max_source_positions": 20}
    sizes = config_sizes(convolution) | all_sizes(dict.fromkeys(graph.axes, 2), convolution)
    used = [axis for entry in graph.inputs for axis in entry.axes]
    used += [axis for axes in (*graph.outputs.values(), *graph.states.values()) for axis in axes]
    assert [axis for axis in used if isinstance(axis, str) and axis not in sizes] == []


@every_graph
def test_every_axis_of_a_graph_shapes_an_input_or_a_state(task, graph):
    used = {axis for entry in graph.inputs for axis in entry.axes} | {axis for axes in graph.states.values() for axis in axes}
    assert set(graph.axes) - {"num_beams", "batch_size"} <= used
    assert used & {"batch_size", "rows", "text_batch_size"}


@every_graph
def test_outputs_and_states_are_found_by_name(task, graph):
    for name, axes in graph.outputs.items():
        assert graph.axes_of(name) == axes
    for kind, axes in graph.states.items():
        assert graph.axes_of(f"{kind}.3.keys") == axes
    with pytest.raises(KeyError):
        graph.axes_of("nothing")


@every_task
def test_axes_may_be_left_out_or_must_be_given(task):
    assert set(task.mandatory) | set(task.optional) == set(task.axes)
    assert not set(task.mandatory) & set(task.optional)


@every_task
def test_a_graph_is_found_by_its_name(task):
    assert [task.graph(graph.name) for graph in task.graphs] == list(task.graphs)
