"""optimum-neuron's exporter: what it shards, and nothing else here does. Its folder is the artifact, whole.

Options that it would drop without a word are refused, and what it left is compared with what was asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.artifact.action import CompilerPart
from neuronbuild.errors import ToolchainError
from neuronbuild.platforms import PLATFORMS
from neuronbuild.sdks import EXPORTERS, LIBRARIES, minor_of
from neuronbuild.tasks import PIPELINES
from neuronbuild.toolchain.base import WorkerCommand
from neuronbuild.toolchain.exported import exporter_fault
from neuronbuild.toolchain.exporter import beams_fault, exporter_arguments
from neuronbuild.toolchain.flags import refuse_platform
from neuronbuild.toolchain.interpreter import Fault, neuronx_faults
from neuronbuild.toolchain.sdk import SdkToolchain, pick

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction, ModelPart
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.recipe.target import Options
    from neuronbuild.sdks import Sdk
    from neuronbuild.toolchain.interpreter import Installed
    from neuronbuild.toolchain.setup import Setup

EXPORTED = "exported/"
"""What the artifact's paths begin with."""

PACKAGES = (
    "optimum-neuron", "torch-neuronx", "libneuronxla", "neuronx-distributed", "torch-xla", "torch", "transformers",
)  # fmt: skip

OF_PIPELINES = ("diffusers", "peft")


@final
class Optimum(SdkToolchain):
    """Delegates to optimum-neuron, in an environment that is made for it."""

    name: ClassVar[str] = "optimum"
    package: ClassVar[str] = "optimum-neuron"
    attention: ClassVar[str | None] = None

    def __init__(self, setup: Setup, platform: str) -> None:
        super().__init__(setup)
        self._platform = platform

    def options(self, options: Options, model: ModelPart) -> CompilerPart:
        """The exporter's own arguments, apart from shapes, which follow from the action's."""
        versions = self.versions()
        refuse_platform(options.platform, minor_of(versions["neuronx-cc"]))
        arguments = exporter_arguments(options, model, versions["optimum-neuron"])
        if model.model_type not in PIPELINES:
            return CompilerPart(arguments=tuple(arguments), num_cores=options.num_cores)
        libraries = LIBRARIES.get(versions.get("optimum-neuron", ""), {}) if self._setup.sdk else self.installed.packages
        pinned = {name: versions.get(name) or libraries.get(name, "") for name in OF_PIPELINES}
        return CompilerPart(arguments=tuple(arguments), num_cores=options.num_cores, libraries=pinned)

    def misfit(self, options: Options, shape: Shape) -> tuple[str, str] | None:
        """Beams over several cores, before the version that can compile them."""
        return beams_fault(options, shape, self.versions()["optimum-neuron"])

    def pinned(self, sdk: Sdk) -> dict[str, str]:
        """The exporter that is made for the release, and what it pins itself."""
        exporter = EXPORTERS.get(sdk.release)
        if exporter is None:
            able = next(iter(EXPORTERS))
            hint = f"set toolchains.optimum.sdk to {able}: its environment is one of its own"
            raise ToolchainError(self.name, f"no optimum-neuron is made for SDK {sdk.release}", hint=hint)
        return {
            "optimum-neuron": exporter.version,
            "neuronx-cc": sdk.neuronx_cc,
            "torch-neuronx": sdk.torch_neuronx[0],
            "libneuronxla": sdk.libneuronxla,
            "neuronx-distributed": exporter.neuronx_distributed,
            "torch": exporter.torch,
            "transformers": exporter.transformers,
        }

    def found(self, installed: Installed) -> dict[str, str]:
        """With the compiler's build number."""
        return {"neuronx-cc": installed.compiler or "", **pick(installed.packages, PACKAGES)}

    def faults(self, installed: Installed) -> list[Fault]:
        """What tracing needs, and the exporter itself."""
        faults = neuronx_faults(installed)
        if "optimum-neuron" not in installed.packages:
            faults.append(
                Fault("optimum-neuron is not installed", "pip install 'optimum-neuron[neuronx]' in its own environment")
            )
        return faults

    def worker(self) -> WorkerCommand:
        """With the platform said before anything is imported: the library takes trn1 for granted otherwise."""
        command = super().worker()
        override = {"NEURON_PLATFORM_TARGET_OVERRIDE": PLATFORMS[self._platform].override}
        return WorkerCommand(command.interpreter, {**command.environment, **override}, "optimum " + self._platform)

    def runs_here(self, platform: str) -> bool:  # noqa: ARG002
        """Never: its loader runs it, not ours."""
        return False

    def fault(self, folder: Path, files: list[str], action: CompileAction) -> str | None:
        """The exporter writes its config before it compiles, and may report success all the same: all is looked at."""
        found = {name.removeprefix(EXPORTED) for name in files if name.startswith(EXPORTED)}
        empty = sorted(name for name in files if not os.path.getsize(folder / name))  # noqa: PTH202
        if empty:
            return f"optimum-neuron left an empty file: {empty[0]}"
        return exporter_fault(folder / EXPORTED, found, action)
