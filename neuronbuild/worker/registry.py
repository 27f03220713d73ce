"""Which function does a kind of job, and which module is a toolchain's.

Each module is imported when the first job that needs it comes: the interpreter of one toolchain lacks the frameworks of the
others. The imports are statements inside functions, not names in strings, so that import-linter and mypy see them. No module
below this one imports it: a job that needs its toolchain is handed the toolchain's module.
"""

from __future__ import annotations

import typing

from . import contract
from .errors import JobError, UserError
from .toolchain import Compiler, Toolchain


def function_of(job: contract.Job) -> typing.Callable[[typing.Any], contract.Result]:
    """The function that does a job, by the job's kind."""
    return KINDS[job["kind"]]


def prepare(kind: str) -> None:
    """Import what every job of a kind needs, whatever its toolchain. The frameworks of toolchains aren't imported."""
    if kind in PREPARATIONS:
        PREPARATIONS[kind]()


def toolchain_of(action: contract.Action) -> Compiler:
    """The module of the toolchain that an action names.

    Raises:
        UserError: there is none of this name.
    """
    name = action["toolchain"]["name"]
    if name not in TOOLCHAINS:
        raise UserError(f"this worker knows no toolchain {name!r}")
    return TOOLCHAINS[name]()


def _prepare_graphs() -> None:
    from . import graph, graph_classes, padding, weights  # noqa: F401

    graph.import_models()


def _compile(job: contract.CompileJob) -> contract.CompileResult:
    return toolchain_of(job["action"]).compile_action(job)


def _convert(job: contract.ConvertJob) -> contract.ConvertResult:
    from . import weights

    return weights.convert(job)


def _check(job: contract.CheckJob) -> contract.CheckResult:
    from . import check

    toolchain = toolchain_of(job["action"])
    if not isinstance(toolchain, Toolchain):
        raise JobError("internal", f"graphs of toolchain {job['action']['toolchain']['name']} can't be run by the worker")
    return check.check_release(job, toolchain)


def _lower(job: contract.LowerJob) -> contract.LowerResult:
    from . import lowering

    return lowering.lower(job)


def _selftest(job: contract.SelftestJob) -> contract.SelftestResult:
    from . import selftest

    return selftest.run(job)


def _inductor() -> Toolchain:
    from . import inductor

    return inductor


def _neuronx() -> Toolchain:
    from . import neuronx

    return neuronx


def _neuron() -> Toolchain:
    from . import neuron

    return neuron


def _optimum() -> Compiler:
    from . import optimum

    return optimum


KINDS: dict[str, typing.Callable[[typing.Any], contract.Result]] = {
    "compile": _compile,
    "convert": _convert,
    "check": _check,
    "lower": _lower,
    "selftest": _selftest,
}
"""By the kind of a job, the function that does it: which job it takes follows from the kind."""

PREPARATIONS: dict[str, typing.Callable[[], None]] = {"compile": _prepare_graphs, "lower": _prepare_graphs}
"""By the kind of a job, what imports the modules that all jobs of this kind need."""

TOOLCHAINS: dict[str, typing.Callable[[], Compiler]] = {
    "inductor": _inductor,
    "neuronx": _neuronx,
    "neuron": _neuron,
    "optimum": _optimum,
}
"""By the name of a toolchain, the function that imports its module."""
