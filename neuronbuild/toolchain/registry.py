"""Names to toolchains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.inductor import Inductor
from neuronbuild.toolchain.neuron import Neuron
from neuronbuild.toolchain.neuronx import Neuronx
from neuronbuild.toolchain.optimum import Optimum

if TYPE_CHECKING:
    from neuronbuild.toolchain.base import Toolchain
    from neuronbuild.toolchain.setup import Setup


def open_toolchain(name: str, platform: str, setup: Setup) -> Toolchain:
    """The toolchain of that name, for one platform.

    Raises:
        ToolchainError: there is none.
    """
    if name == "inductor":
        return Inductor(setup.scratch, setup.isa)
    if name == "neuronx":
        return Neuronx(setup, platform)
    if name == "neuron":
        return Neuron(setup)
    if name == "optimum":
        return Optimum(setup, platform)
    raise ToolchainError(name, f"it can't compile for {platform}", hint="choose platform cpu: `--platform cpu`")
