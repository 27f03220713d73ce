"""inf2, trn1, trn1n, trn2 and trn3: torch_neuronx.trace and neuronx-cc, on any x86-64 host that has the SDK's packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.artifact.action import CompilerPart
from neuronbuild.errors import ToolchainError
from neuronbuild.neff import NeffError, find_neff
from neuronbuild.platforms import PLATFORMS
from neuronbuild.sdks import LAST_WITH_TRACE, TRANSFORMERS, libneuronxla_of, torch_of
from neuronbuild.tasks.separable import SEPARABLE
from neuronbuild.toolchain.base import OptionError, WorkerCommand
from neuronbuild.toolchain.flags import arguments
from neuronbuild.toolchain.interpreter import neuronx_faults
from neuronbuild.toolchain.sdk import SdkToolchain, pick

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction, ModelPart
    from neuronbuild.recipe.target import Options
    from neuronbuild.sdks import Sdk
    from neuronbuild.toolchain.interpreter import Fault, Installed
    from neuronbuild.toolchain.setup import Setup

FILE = "model.neuron"
PACKAGES = ("torch-neuronx", "libneuronxla", "torch-xla", "torch", "transformers")

TRACES = ("compile", "selftest")
"""Kinds of jobs that trace. torch_neuronx counts in one process what it has lowered, and the count is in the module that the
compiler gets and in that module's hash: only the first trace of a process gives bytes that depend on nothing else."""


@final
class Neuronx(SdkToolchain):
    """The compiler of everything but inf1, for one platform."""

    name: ClassVar[str] = "neuronx"
    package: ClassVar[str] = "torch-neuronx"

    def __init__(self, setup: Setup, platform: str) -> None:
        super().__init__(setup)
        self._platform = platform

    def options(self, options: Options, model: ModelPart) -> CompilerPart:
        """The list of `compiler_args` as it is handed over, and what is done around it."""
        if options.weights == "separate" and has_cache(model):
            raise OptionError(("weights",), "a model with a cache keeps its weights inside on Neuron; use `weights: inline`")
        if options.weights == "separate" and model.model_type not in SEPARABLE.get(model.auto_class, ()):
            problem = f"that {model.model_type} keeps every weight apart in its graph was not shown"
            raise OptionError(("weights",), f"{problem} (docs/neuron-graphs.md); use `weights: inline`")
        return CompilerPart(
            arguments=tuple(arguments(options, self.versions()["neuronx-cc"], model.model_type)),
            dynamic_batch_size=options.dynamic_batch_size,
            lazy_load="lazy_load" in options.loading or None,
            async_load="async_load" in options.loading or None,
        )

    def pinned(self, sdk: Sdk) -> dict[str, str]:
        """The newest torch that the release has a framework package for, and what that package was built with."""
        framework = self._setup.versions.get("torch-neuronx") or next(iter(sdk.torch_neuronx), None)
        if framework is None:
            hint = (
                f"the last one goes with its compiler: set toolchains.neuronx.versions to {{torch-neuronx: {LAST_WITH_TRACE}}}"
            )
            raise ToolchainError(self.name, f"SDK {sdk.release} has no torch-neuronx with `trace`", hint=hint)
        return {
            "neuronx-cc": sdk.neuronx_cc,
            "torch-neuronx": framework,
            "libneuronxla": libneuronxla_of(framework) or sdk.libneuronxla,
            "torch": torch_of(framework),
            "transformers": TRANSFORMERS[self.name],
        }

    def found(self, installed: Installed) -> dict[str, str]:
        """With the compiler's build number, which its package's version may lack."""
        return {"neuronx-cc": installed.compiler or "", **pick(installed.packages, PACKAGES)}

    def faults(self, installed: Installed) -> list[Fault]:
        """Packages that are missing, empty, or of the lineage without `trace`."""
        return neuronx_faults(installed)

    def worker(self) -> WorkerCommand:
        """With the platform said before anything is imported, since libraries look for a device then."""
        command = super().worker()
        override = {"NEURON_PLATFORM_TARGET_OVERRIDE": PLATFORMS[self._platform].override}
        device = {"NEURONBUILD_DEVICE": "1"} if self.runs_here(self._platform) else {}
        return WorkerCommand(command.interpreter, {**command.environment, **override, **device}, self._platform, TRACES)

    def fault(self, folder: Path, files: list[str], action: CompileAction) -> str | None:
        """A NEFF whose header is sound must be in the file, made for as many physical cores a core as was asked for."""
        path = folder / FILE
        if FILE not in files or not path.is_file() or not os.path.getsize(path):  # noqa: PTH202
            return f"the compiler reported success, but left no usable {FILE}"
        try:
            neff = find_neff(path)
        except NeffError as error:
            return f"the compiler reported success, but {FILE} {error}"
        wanted = action.compiler.logical_cores
        if neff.lnc_size not in {0, wanted}:
            return f"the NEFF in {FILE} is for {neff.lnc_size} physical cores a core, {wanted} was asked for"
        return None


CACHED = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq")


def has_cache(model: ModelPart) -> bool:
    """Whether a model's graphs keep a cache from call to call."""
    return model.auto_class in CACHED
