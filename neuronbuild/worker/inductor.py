"""Compile an action for the host's CPU: torch.export, then AOTInductor, weights apart."""

from __future__ import annotations

import contextlib
import os
import shlex

import safetensors.torch
import torch
import torch._inductor
import torch._inductor.config
import torch._inductor.cpp_builder
import torch._inductor.cpu_vec_isa
import torch._inductor.graph

from . import graph, graphs, noise, package, padding, probes, products
from .serve import UserError

PACKAGE = "model.pt2"
CONSTANTS = "constants.safetensors"


def compile_action(job: dict) -> dict:
    """Compile, check against eager PyTorch, and write `model.pt2` and `constants.safetensors` into the job's folder."""
    for place in (os.path.dirname(torch.__file__), os.environ["TORCHINDUCTOR_CACHE_DIR"]):
        refuse_unquotable(place)
    action, folder = job["action"], job["folder"]
    module = graphs.open_graph(graph.make_model(action, graph.weight_dtype(action)), action)
    inputs = module.example(seed=0)
    path = os.path.join(folder, PACKAGE)
    literals = _compile(module, inputs, action, path)
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


def _compile(module: graph.Graph, inputs: tuple, action: dict, path: str) -> dict:
    """Write the package, and give the tensors that the model makes from literals, by the names that the package asks for."""
    flags = action["toolchain"]["flags"]
    use_isa(flags["vector_isa"], action["toolchain"]["flags"]["march"])
    settings = dict(flags["inductor"])
    settings["aot_inductor.compile_wrapper_opt_level"] = flags["wrapper_opt_level"][str(action["compiler"]["optlevel"])]
    try:
        program = export(module, inputs)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError("torch.export can't trace this model: " + str(error).strip().splitlines()[0]) from error
    with torch.no_grad(), _noting_constants() as constants:
        made = torch._inductor.aoti_compile_and_package(program, package_path=path + ".made.pt2", inductor_configs=settings)
    package.repack(made, path)
    os.unlink(made)
    known = all_constants(module)
    return {name: tensor.detach().clone().contiguous() for name, tensor in constants.items() if name not in known}


def export(module: graph.Graph, inputs: tuple) -> torch.export.ExportedProgram:
    """The program that is compiled."""
    with torch.no_grad(), products.FastForms():
        return torch.export.export(module, inputs)


@contextlib.contextmanager
def _noting_constants():
    """Note every constant that Inductor allots, under the name that the package will ask for it by.

    A tensor made from a literal in a model's code (`torch.tensor(3)`) has a name in no module, and no other record.
    """
    lowering = torch._inductor.graph.GraphLowering
    original, noted = lowering.allocate_non_dup_const_name, {}

    def allocate(self, name, data):
        given = original(self, name, data)
        noted[self.allocated_constant_name[given]] = self.constants[given]
        return given

    lowering.allocate_non_dup_const_name = allocate
    try:
        yield noted
    finally:
        lowering.allocate_non_dup_const_name = original


def refuse_unquotable(place: str) -> None:
    """Inductor's command lines don't quote paths: a space in one comes to g++ as two files, and as a riddle to the user.

    Raises:
        UserError: the path wouldn't survive.
    """
    try:
        survives = shlex.split(place) == [place]
    except ValueError:
        survives = False
    if not survives:
        raise UserError(
            f"torch can't compile with white space or quotes in the path {place}: install it elsewhere, or have "
            "XDG_CACHE_HOME name another folder"
        )


def use_isa(name: str, march: str) -> None:
    """Have Inductor use a declared vector ISA, rather than all that this host has, and leave no path of this host behind.

    Without this the same declared level would give other code on a host with AMX or VNNI.
    """
    vector = getattr(torch._inductor.cpu_vec_isa, name)

    class Declared(vector):  # a plain `True`: no test compiles, and none of the extras that they would switch on
        __hash__ = vector.__hash__

        def __bool__(self) -> bool:
            return True

    isa = Declared()
    torch._inductor.cpu_vec_isa.valid_vec_isa_list = lambda: [isa]
    torch._inductor.config.cpp.march = march
    torch._inductor.config.cpp.simdlen = isa.bit_width()
    torch._inductor.config.compile_threads = 1
    torch._inductor.cpp_builder._get_optimization_cflags = _without_paths(torch._inductor.cpp_builder._get_optimization_cflags)


def _without_paths(original):
    if getattr(original, "without_paths", False):
        return original
    places = {os.path.dirname(torch.__file__): "torch", os.environ["TORCHINDUCTOR_CACHE_DIR"]: "build"}

    def flags(*args, **kwargs):
        cflags, ldflags = original(*args, **kwargs)
        return cflags + [f"ffile-prefix-map={place}={word}" for place, word in places.items()], ldflags

    flags.without_paths = True
    return flags


def describe_constants(module: graph.Graph, literals: dict, path: str) -> tuple:
    """Specs of all constants that the package asks for, and those tensors that no checkpoint holds."""
    from torch._C._aoti import AOTIModelPackageLoader

    persistent = set(module.state_dict())
    tensors = {**literals, **all_constants(module)}
    aliases = {}
    for name in sorted(persistent):
        aliases.setdefault(_identity(tensors[name]), []).append(name)
    specs, own = [], {}
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


def all_constants(module: torch.nn.Module) -> dict:
    """Every parameter and buffer under every name it has: tied ones have several."""
    found = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    return found


def _identity(tensor: torch.Tensor) -> tuple:
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def _open_made(module: graph.Graph, literals: dict, path: str):
    """What was just made, over the module's own weights. Buffers are copied, since eager PyTorch may write into them."""
    constants = {**literals, **dict(module.named_parameters(remove_duplicate=False))}
    constants.update((name, tensor.clone()) for name, tensor in module.named_buffers(remove_duplicate=False))
    return open_compiled(path, {name: tensor.detach() for name, tensor in constants.items()})


def _spec(name: str, tensor: torch.Tensor) -> dict:
    return {"name": name, "dtype": str(tensor.dtype).rpartition(".")[2], "shape": list(tensor.shape)}


def open_compiled(path: str, constants: dict):
    """A package as a function of a list of tensors, with all its constants bound."""
    loader = package.open_package(path, constants)
    return lambda inputs: package.run(loader, inputs)


def precision(action: dict) -> torch.dtype:
    """The lowest precision that the graph computes in."""
    return graph.cast_of(action) or graph.weight_dtype(action)
