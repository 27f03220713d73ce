"""Which function does a kind of job, and which module is a toolchain's.

Each module is imported when the first job that needs it comes: the interpreter of one toolchain lacks the frameworks of the
others. The imports are statements inside functions, not names in strings, so that import-linter and mypy see them. No module
below this one imports it: a job that needs its toolchain is handed the toolchain's module.
"""

from __future__ import annotations

from .errors import UserError


def function_of(job: dict):
    """The function that does a job, by the job's kind."""
    return KINDS[job["kind"]]


def toolchain_of(action: dict):
    """The module of the toolchain that an action names.

    Raises:
        UserError: there is none of this name.
    """
    name = action["toolchain"]["name"]
    if name not in TOOLCHAINS:
        raise UserError(f"this worker knows no toolchain {name!r}")
    return TOOLCHAINS[name]()


def _compile(job: dict) -> dict:
    return toolchain_of(job["action"]).compile_action(job)


def _convert(job: dict) -> dict:
    from . import weights

    return weights.convert(job)


def _check(job: dict) -> dict:
    from . import check

    return check.check_release(job, toolchain_of(job["action"]))


def _lower(job: dict) -> dict:
    from . import lowering

    return lowering.lower(job)


def _selftest(job: dict) -> dict:
    from . import selftest

    return selftest.run(job)


def _inductor():
    from . import inductor

    return inductor


def _neuronx():
    from . import neuronx

    return neuronx


def _neuron():
    from . import neuron

    return neuron


def _optimum():
    from . import optimum

    return optimum


KINDS = {"compile": _compile, "convert": _convert, "check": _check, "lower": _lower, "selftest": _selftest}
"""By the kind of a job, the function that does it."""

TOOLCHAINS = {"inductor": _inductor, "neuronx": _neuronx, "neuron": _neuron, "optimum": _optimum}
"""By the name of a toolchain, the function that imports its module."""
