"""What can be compiled: tasks, the model types that do them, and the sizes of their tensors. Plain data."""

from neuronbuild.tasks.catalog import ALIASES, AXES, OWN_TASKS, TASKS, infer_task
from neuronbuild.tasks.families import FAMILIES, Family, families_for, graph_inputs, tasks_of
from neuronbuild.tasks.images import EXACT
from neuronbuild.tasks.pipelines import PIPELINES, Pipeline, loader_of, parts_of
from neuronbuild.tasks.sizes import all_sizes, config_sizes, dims, frames
from neuronbuild.tasks.table import BATCH, Axes, Graph, Input, Task

__all__ = [
    "ALIASES",
    "AXES",
    "BATCH",
    "EXACT",
    "FAMILIES",
    "OWN_TASKS",
    "PIPELINES",
    "TASKS",
    "Axes",
    "Family",
    "Graph",
    "Input",
    "Pipeline",
    "Task",
    "all_sizes",
    "config_sizes",
    "dims",
    "families_for",
    "frames",
    "graph_inputs",
    "infer_task",
    "loader_of",
    "parts_of",
    "tasks_of",
]
