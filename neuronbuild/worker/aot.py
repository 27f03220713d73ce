"""From a graph to a package of torch's: torch.export, then Inductor and g++.

Apart from what opens packages: importing Inductor takes as long as torch itself, and the check of a release needs none of it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import typing
from collections.abc import Iterator

import torch
import torch._inductor
import torch._inductor.config
import torch._inductor.cpp_builder
import torch._inductor.cpu_vec_isa
import torch._inductor.graph

from . import fast_ops, graph, headers, package
from .contract import Action
from .errors import UserError, first_line
from .toolchain import Tensors

Cflags = typing.Callable[..., tuple[list[str], list[str]]]
"""Inductor's function for flags of optimization: those of the compiler, and those of the linker."""

MARK = "with_own_flags"
"""The attribute of such a function that has our own flags already."""

WITHOUT_DIAGNOSTICS = {"size_asserts": False}
"""What is left out of the code that calls the kernels, whatever the action says: checks of shapes that nothing runs.

They are behind a variable that people set to look for faults of Inductor itself (AOTI_RUNTIME_CHECK_INPUTS), name functions
with their addresses in this process, so that no two compiles gave the same bytes, and take g++ a seventh of its time.
"""


def compile_package(module: graph.Graph, inputs: Tensors, action: Action, path: str) -> graph.Named:
    """Write the package, and give the tensors that the model makes from literals, by the names that the package asks for.

    Raises:
        UserError: the model can't be traced.
    """
    flags = action["toolchain"]["flags"]
    use_isa(flags["vector_isa"], action["toolchain"]["flags"]["march"])
    settings = {**flags["inductor"], **WITHOUT_DIAGNOSTICS}
    settings["aot_inductor.compile_wrapper_opt_level"] = flags["wrapper_opt_level"][str(action["compiler"]["optlevel"])]
    try:
        program = export(module, inputs)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"torch.export can't trace this model: {first_line(error)}") from error
    with torch.no_grad(), _noting_constants() as constants:
        made = torch._inductor.aoti_compile_and_package(program, package_path=path + ".made.pt2", inductor_configs=settings)
    package.repack(made, path)
    os.unlink(made)
    known = graph.all_constants(module)
    return {name: tensor.detach().clone().contiguous() for name, tensor in constants.items() if name not in known}


def export(module: graph.Graph, inputs: Tensors) -> torch.export.ExportedProgram:
    """The program that is compiled."""
    with torch.no_grad(), fast_ops.FastForms():
        return torch.export.export(module, inputs)


@contextlib.contextmanager
def _noting_constants() -> Iterator[graph.Named]:
    """Note every constant that Inductor allots, under the name that the package will ask for it by.

    A tensor made from a literal in a model's code (`torch.tensor(3)`) has a name in no module, and no other record.
    """
    lowering = torch._inductor.graph.GraphLowering
    original = lowering.allocate_non_dup_const_name
    noted: graph.Named = {}

    def allocate(self: torch._inductor.graph.GraphLowering, name: str | None, data: torch.Tensor) -> str:
        given: str = original(self, name, data)
        noted[self.allocated_constant_name[given]] = self.constants[given]
        return given

    lowering.allocate_non_dup_const_name = allocate
    try:
        yield noted
    finally:
        lowering.allocate_non_dup_const_name = original


def refuse_paths() -> None:
    """Stop where torch or its cache lies in a folder that g++ can't be told of.

    Raises:
        UserError: one does.
    """
    for place in (os.path.dirname(torch.__file__), os.environ["TORCHINDUCTOR_CACHE_DIR"]):
        refuse_unquotable(place)


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

    class Declared(vector):  # type: ignore[valid-type, misc]  # the class of this name
        # a plain `True`: no test compiles, and none of the extras that they would switch on
        __hash__ = vector.__hash__

        def __bool__(self) -> bool:
            return True

    isa = Declared()
    torch._inductor.cpu_vec_isa.valid_vec_isa_list = lambda: [isa]
    torch._inductor.config.cpp.march = march
    torch._inductor.config.cpp.simdlen = isa.bit_width()
    torch._inductor.config.compile_threads = 1
    torch._inductor.cpp_builder._get_optimization_cflags = _with_own_flags(torch._inductor.cpp_builder._get_optimization_cflags)


def _with_own_flags(original: Cflags) -> Cflags:
    if getattr(original, MARK, False):
        return original
    installed, cache = os.path.dirname(torch.__file__), os.environ["TORCHINDUCTOR_CACHE_DIR"]
    own = [f"ffile-prefix-map={installed}=torch", f"ffile-prefix-map={cache}=build"]
    copies = os.path.join(cache, "include")
    if headers.write_copy(os.path.join(installed, "include"), copies):
        own.append(f"I{copies}")

    def flags(*args: object, **kwargs: object) -> tuple[list[str], list[str]]:
        cflags, ldflags = original(*args, **kwargs)
        return cflags + own, ldflags

    setattr(flags, MARK, True)
    return flags
