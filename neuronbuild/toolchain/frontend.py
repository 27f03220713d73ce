"""torch-xla in an environment of its own: the part of the Neuron SDK that lowers graphs, and that any machine can have."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, final

from neuronbuild.errors import ToolchainError
from neuronbuild.sdks import TRANSFORMERS
from neuronbuild.toolchain.base import WORKER_SETTINGS, WorkerCommand
from neuronbuild.toolchain.interpreter import Fault, ask, locate, search_path
from neuronbuild.toolchain.sdk import CLEARED

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.toolchain.interpreter import Installed
    from neuronbuild.toolchain.setup import Setup

NAME = "frontend"

PACKAGES = {"torch": "2.9.0", "torch-xla": "2.9.0", "transformers": TRANSFORMERS["neuronx"], "safetensors": "", "numpy": ""}
"""What its environment holds, in the versions that the last torch-neuronx with `trace` stands on; empty is any."""

PYTHONS = (10, 13)
"""The oldest and the newest minor version of Python 3 that torch-xla 2.9.0 is built for."""

SET_UP = (
    "run `neuronbuild preflight --setup`, or name an interpreter with torch-xla in neuronbuild.yaml "
    "(toolchains.frontend.python)"
)

MINOR = re.compile(r"\d+\.\d+")


@final
class FrontEnd:
    """An interpreter with torch-xla. It compiles nothing, and needs neither the SDK nor a device."""

    def __init__(self, setup: Setup, own: Path) -> None:
        self._setup = setup
        self._own = own

    def check(self) -> Installed:
        """What the environment holds, once it is known to be fit.

        Raises:
            ToolchainError: there is none, or it is unfit; the hint says how to get one.
        """
        if self._setup.refused is not None:
            problem = f"{self._setup.refused} brings an interpreter along, and nobody has agreed to run it"
            raise ToolchainError(NAME, problem, hint="look at neuronbuild.yaml, then run `neuronbuild trust`")
        if self._setup.python is None and not self._own.exists():
            raise ToolchainError(NAME, "there is no environment with torch-xla", hint=SET_UP)
        installed = ask(self._interpreter, self._setup.notes)
        faults = front_end_faults(installed)
        if faults:
            problems = "; ".join(fault.problem for fault in faults)
            raise ToolchainError(NAME, f"{self._interpreter}: {problems}", hint=faults[0].advice)
        return installed

    def worker(self) -> WorkerCommand:
        """The interpreter, with torch-xla on the CPU and nothing else in the environment that would change a graph."""
        place = locate(self._interpreter)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(CLEARED)}
        environment |= {"PATH": search_path(place), "PJRT_DEVICE": "CPU", **WORKER_SETTINGS}
        environment.pop("PYTHONPATH", None)
        return WorkerCommand(place, environment, NAME, ("lower",))

    @property
    def _interpreter(self) -> str:
        return self._setup.python or str(self._own)


def front_end_faults(found: Installed) -> list[Fault]:
    """What keeps an environment from lowering graphs."""
    faults = [
        Fault(f"{name} is not installed", f"pip install {name}=={version}" if version else f"pip install {name}")
        for name, version in PACKAGES.items()
        if name not in found.packages and name != "numpy"
    ]
    versions = {name: MINOR.match(found.packages.get(name, "")) for name in ("torch", "torch-xla")}
    minors = {name: match.group() for name, match in versions.items() if match}
    if len(set(minors.values())) > 1:
        problem = f"torch {found.packages['torch']} and torch-xla {found.packages['torch-xla']} don't fit each other"
        advice = f"pip install torch=={PACKAGES['torch']} torch_xla=={PACKAGES['torch-xla']}"
        faults.append(Fault(problem, advice))
    return faults
