"""The graph that is compiled, of every family that reads text for every task: exported, and run without compiling it."""

from __future__ import annotations

import pytest
import torch

from neuronbuild.tasks import FAMILIES, TASKS, all_sizes, families_for, tasks_of
from neuronbuild.tasks.families import TEXT
from neuronbuild.worker import graph, graph_classes
from tests.conftest import SIZES
from tests.tools.action_keys import CPU
from tests.tools.tiny import OWN_ENCODER
from tests.unit.plan.cases import make_action

SHAPE = {"batch_size": 2, "sequence_length": 12, "num_choices": 3}


def cases():
    """Every pair; in every run one task of each family, and all tasks over all families."""
    for index, family in enumerate(families_for(TEXT[0])):
        tasks = tasks_of(FAMILIES[family])
        for task in tasks:
            marks = () if task == tasks[index % len(tasks)] else pytest.mark.soak
            yield pytest.param(family, task, marks=marks, id=f"{family}-{task}")


def open_module(family: str, task: str) -> tuple[dict, graph.Graph]:
    config = {"model_type": family, **SIZES, **OWN_ENCODER.get(family, {}), "num_labels": 5}
    document = make_action(config=config, task=task, sizes=SHAPE, **{"auto_cast": "none", **CPU}).document
    return document, graph_classes.open_graph(graph.make_model(document, torch.float32), document)


def expected(module: graph.Graph, given: dict[str, torch.Tensor], task: str) -> dict[str, torch.Tensor]:
    """What the model itself says, and what sentence-transformers would make of that."""
    said = dict(module.model(**given))
    if task == "sentence-similarity":
        said["token_embeddings"] = said["last_hidden_state"]
        mask = given["attention_mask"].unsqueeze(-1)
        said["sentence_embedding"] = (said["last_hidden_state"] * mask).sum(1) / mask.sum(1)
    return said


@torch.no_grad()
@pytest.mark.parametrize(("family", "task"), list(cases()))
def test_the_exported_graph_is_the_model(family, task):
    document, module = open_module(family, task)
    inputs = module.example(seed=0)
    exported = torch.export.export(module, inputs).module()
    module(*inputs)
    given = module.example(seed=1)
    said = expected(module, dict(zip(module.input_names, given, strict=True)), task)
    sizes = all_sizes(document["shape"], document["model"]["config"])
    axes = TASKS[task].graphs[0].outputs
    assert set(module.output_names) == set(axes) & set(said)
    for name, tensor in zip(module.output_names, exported(*given), strict=True):
        assert torch.allclose(tensor, said[name], atol=1e-4), name
        assert [size for axis, size in zip(axes[name], tensor.shape, strict=True) if axis] == [
            sizes[axis] for axis in axes[name] if axis
        ]
