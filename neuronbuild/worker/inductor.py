"""Compile an action for the host's CPU: torch.export, then AOTInductor, weights apart."""

from __future__ import annotations

import os

import safetensors.torch
import torch

from . import graph, graph_classes, noise, package, padding, probes
from .contract import Action, CompileJob, CompileResult, ConstantSpec, TensorSpec
from .errors import UserError
from .toolchain import Compiled

PACKAGE = "model.pt2"
CONSTANTS = "constants.safetensors"

Identity = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Address, shape and stride: what two names of one tensor have in common."""


def compile_action(job: CompileJob) -> CompileResult:
    """Compile, check against eager PyTorch, and write `model.pt2` and `constants.safetensors` into the job's folder."""
    from . import aot

    aot.refuse_paths()
    action, folder = job["action"], job["folder"]
    module = graph_classes.open_graph(graph.make_model(action, graph.weight_dtype(action)), action)
    inputs = module.example(seed=0)
    path = os.path.join(folder, PACKAGE)
    literals = aot.compile_package(module, inputs, action, path)
    specs, own = describe_constants(module, literals, path)
    safetensors.torch.save_file(own, os.path.join(folder, CONSTANTS))
    noise.shake(module.model, noise.COMPARED)
    noise.settle(module, precision(action), (noise.TRACED, noise.COMPARED))
    compiled = _open_made(module, literals, path)
    outputs = compiled([tensor.clone() for tensor in inputs])
    record = probes.check(compiled, module, precision(action), "random-weights")
    states = dict(zip(module.states, inputs[len(action["inputs"]) :]))
    return {
        "files": [PACKAGE, CONSTANTS],
        "signature": {
            "inputs": [{"name": entry["name"], "dtype": entry["dtype"], "shape": entry["shape"]} for entry in action["inputs"]],
            "outputs": [_spec(*pair) for pair in zip(module.output_names, outputs)],
            "constants": specs,
            "states": [_spec(name, tensor) for name, tensor in states.items()],
        },
        "checks": [record, *padding.measure(module)],
        "facts": {"prefix": module.model.base_model_prefix},
    }


def describe_constants(module: graph.Graph, literals: graph.Named, path: str) -> tuple[list[ConstantSpec], graph.Named]:
    """Specs of all constants that the package asks for, and those tensors that no checkpoint holds."""
    from torch._C._aoti import AOTIModelPackageLoader

    persistent = set(module.state_dict())
    tensors = {**literals, **graph.all_constants(module)}
    aliases: dict[Identity, list[str]] = {}
    for name in sorted(persistent):
        aliases.setdefault(_identity(tensors[name]), []).append(name)
    specs: list[ConstantSpec] = []
    own: graph.Named = {}
    for name in sorted(AOTIModelPackageLoader(path, package.NAME, False, 1, -1).get_constant_fqns()):
        if name not in tensors:
            raise UserError(f"the compiled graph asks for a constant {name!r} that the model has not")
        tensor = tensors[name]
        if not tensor.is_contiguous():
            raise UserError(f"constant {name!r} isn't contiguous, and no checkpoint can hold it so")
        tied = [alias.partition(".")[2] for alias in aliases.get(_identity(tensor), [])]
        specs.append(
            {
                "name": name,
                "dtype": str(tensor.dtype).rpartition(".")[2],
                "shape": list(tensor.shape),
                "stride": list(tensor.stride()),
                "tied": tied,
                "in_artifact": not tied,
            }
        )
        if not tied:
            own[name] = tensor.detach().clone().contiguous()
    return specs, own


def _identity(tensor: torch.Tensor) -> Identity:
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def _open_made(module: graph.Graph, literals: graph.Named, path: str) -> Compiled:
    """What was just made, over the module's own weights. Buffers are copied, since eager PyTorch may write into them."""
    constants = {**literals, **dict(module.named_parameters(remove_duplicate=False))}
    constants.update((name, tensor.clone()) for name, tensor in module.named_buffers(remove_duplicate=False))
    return open_compiled(path, {name: tensor.detach() for name, tensor in constants.items()})


def _spec(name: str, tensor: torch.Tensor) -> TensorSpec:
    return {"name": name, "dtype": str(tensor.dtype).rpartition(".")[2], "shape": list(tensor.shape)}


def open_compiled(path: str, constants: dict[str, torch.Tensor]) -> Compiled:
    """A package as a function of a list of tensors, with all its constants bound."""
    loader = package.open_package(path, constants)
    return lambda inputs: package.run(loader, inputs)


def precision(action: Action) -> torch.dtype:
    """The lowest precision that the graph computes in."""
    return graph.cast_of(action) or graph.weight_dtype(action)
