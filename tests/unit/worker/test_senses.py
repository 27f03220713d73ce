"""The graph that is compiled, of every family that looks or hears: exported, and run without compiling it."""

from __future__ import annotations

import functools

import pytest
import torch

from neuronbuild.tasks import TASKS, all_sizes
from neuronbuild.worker import graph, graph_classes, noise
from tests.senses import CASES, CONFIGS
from tests.tools.action_keys import CPU
from tests.unit.plan.cases import make_action

every_case = pytest.mark.parametrize(("family", "task"), CASES, ids=["-".join(case) for case in CASES])
VARIANTS = {
    "deit": "DeiTForImageClassificationWithTeacher",
    "levit": "LevitForImageClassificationWithTeacher",
}


def make_document(family: str, task: str, *, architectures=(), **options) -> dict:
    """An action's document for a tiny model."""
    config, sizes = CASES[family, task]
    model = {"model_type": family, "architectures": list(architectures), **config}
    return make_action(config=model, task=task, sizes=sizes, **{"auto_cast": "none", **CPU, **options}).document


def open_module(document: dict) -> graph.Graph:
    return graph_classes.open_graph(graph.make_model(document, graph.weight_dtype(document)), document)


@functools.cache
def export_case(family: str, task: str) -> torch.export.ExportedProgram:
    """The program of a case, exported once for all tests: that takes longer than anything else here."""
    module = open_module(make_document(family, task))
    return torch.export.export(module, module.example(seed=0))


@torch.no_grad()
@every_case
def test_the_exported_graph_is_the_model(family, task):
    document = make_document(family, task)
    module = open_module(document)
    inputs = module.example(seed=0)
    exported = export_case(family, task).module()
    module(*inputs)
    given = module.example(seed=1)
    eager = module.model(**dict(zip(module.input_names, given, strict=True)))
    sizes = all_sizes(document["shape"], document["model"]["config"])
    row = TASKS[task].graphs[0]
    assert module.output_names == list(row.outputs)
    for name, tensor in zip(module.output_names, exported(*given), strict=True):
        assert torch.allclose(tensor, eager[name], atol=1e-4), name
        axes = row.outputs[name]
        assert [size for axis, size in zip(axes, tensor.shape, strict=True) if axis] == [sizes[axis] for axis in axes if axis]


@torch.no_grad()
@every_case
def test_other_weights_than_those_it_was_traced_with_are_used(family, task):
    module = open_module(make_document(family, task))
    inputs = module.example(seed=0)
    program = export_case(family, task)
    before = program.module()(*inputs)
    noise.shake(module.model, seed=2)
    exported = program.module()
    exported.load_state_dict(module.state_dict())
    assert not torch.equal(exported(*inputs)[0], before[0])
    assert torch.allclose(exported(*inputs)[0], module(*inputs)[0], atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("dtype", ["bf16", pytest.param("fp16", marks=pytest.mark.soak)])
@pytest.mark.parametrize("family", CONFIGS)
def test_inputs_are_lowered_to_the_dtype_of_the_weights_inside_the_graph(family, dtype):
    task = next(task for name, task in CASES if name == family)
    document = make_document(family, task, auto_cast="all", auto_cast_type=dtype)
    module = open_module(document)
    inputs = module.example(seed=0)
    assert {tensor.dtype for tensor in inputs} <= {torch.float32, torch.int64}
    exported = torch.export.export(module, inputs).module()
    assert all(tensor.dtype is torch.float32 for tensor in exported(*inputs))


@torch.no_grad()
@pytest.mark.parametrize("family", VARIANTS)
def test_a_model_with_a_teacher_is_another_graph(family):
    plain = make_document(family, "image-classification")
    document = make_document(family, "image-classification", architectures=[VARIANTS[family]])
    module = open_module(document)
    assert type(module.model).__name__ == VARIANTS[family]
    assert type(open_module(plain).model).__name__ == VARIANTS[family].removesuffix("WithTeacher")
    inputs = module.example(seed=0)
    exported = torch.export.export(module, inputs).module()
    assert torch.allclose(exported(*inputs)[0], module.model(*inputs).logits, atol=1e-5)


def test_the_end_of_a_text_is_among_the_example_inputs():
    module = open_module(make_document("clip", "zero-shot-image-classification"))
    ids, pixels, mask = module.example(seed=0)
    assert (ids == CONFIGS["clip"]["text_config"]["eos_token_id"]).any(1).all()
    assert pixels.dtype is torch.float32
    assert mask[-1].tolist() == [1] * 21 + [0] * 3


def test_buffers_that_a_checkpoint_holds_are_shaken_and_others_are_not():
    model = graph.make_model(make_document("mobilenet_v2", "image-classification"), torch.float32)
    held = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    noise.shake(model, seed=5)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, held[name])}
    assert {name for name in held if name.endswith(("running_mean", "running_var"))} <= moved
    assert not {name for name in moved if name.endswith("num_batches_tracked")}


def test_the_constants_of_a_family_are_all_told():
    module = open_module(make_document("levit", "image-classification"))
    assert any(name.endswith("attention_biases") for name in graph.all_constants(module))
