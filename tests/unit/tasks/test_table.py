from __future__ import annotations

import pytest

from neuronbuild.tasks import TASKS, all_sizes, config_sizes

GRAPHS = [(task, graph) for task in TASKS.values() for graph in task.graphs]
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
every_graph = pytest.mark.parametrize(("task", "graph"), GRAPHS, ids=[f"{task.name}-{graph.name}" for task, graph in GRAPHS])


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
