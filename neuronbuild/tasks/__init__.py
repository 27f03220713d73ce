"""What can be compiled: tasks, the model types that do them, and the sizes of their tensors. Plain data."""

from neuronbuild.tasks.families import FAMILIES, Family, families_for, graph_inputs, tasks_of
from neuronbuild.tasks.sizes import all_sizes, config_sizes, dims
from neuronbuild.tasks.table import AXES, BATCH, TASKS, Axes, Graph, Input, Task, infer_task

__all__ = [
    "AXES",
    "BATCH",
    "FAMILIES",
    "TASKS",
    "Axes",
    "Family",
    "Graph",
    "Input",
    "Task",
    "all_sizes",
    "config_sizes",
    "dims",
    "families_for",
    "graph_inputs",
    "infer_task",
    "tasks_of",
]
