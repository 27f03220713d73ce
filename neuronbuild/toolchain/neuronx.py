"""inf2, trn1, trn1n, trn2 and trn3: torch_neuronx.trace and neuronx-cc, on any x86-64 host that has the SDK's packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, final

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
    from collections.abc import Mapping
    from pathlib import Path

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

    def options(self, options: Options, model: Mapping[str, object]) -> dict[str, object]:
        """The list of `compiler_args` as it is handed over, and what is done around it."""
        config = model["config"]
        model_type = str(config["model_type"]) if isinstance(config, dict) else ""
        if options.weights == "separate" and has_cache(model):
            raise OptionError(("weights",), "a model with a cache keeps its weights inside on Neuron; use `weights: inline`")
        if options.weights == "separate" and model_type not in SEPARABLE.get(str(model["auto_class"]), ()):
            problem = f"that {model_type} keeps every weight apart in its graph was not shown"
            raise OptionError(("weights",), f"{problem} (docs/neuron-graphs.md); use `weights: inline`")
        return {
            "arguments": arguments(options, self.versions()["neuronx-cc"], model_type),
            "dynamic_batch_size": options.dynamic_batch_size,
            **dict.fromkeys(options.loading, True),
        }

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

    def fault(self, folder: Path, files: list[str], action: Mapping[str, object]) -> str | None:
        """A NEFF whose header is sound must be in the file, made for as many physical cores a core as was asked for."""
        path = folder / FILE
        if FILE not in files or not path.is_file() or not os.path.getsize(path):  # noqa: PTH202
            return f"the compiler reported success, but left no usable {FILE}"
        try:
            neff = find_neff(path)
        except NeffError as error:
            return f"the compiler reported success, but {FILE} {error}"
        wanted = wanted_cores(action)
        if neff.lnc_size not in {0, wanted}:
            return f"the NEFF in {FILE} is for {neff.lnc_size} physical cores a core, {wanted} was asked for"
        return None


def wanted_cores(action: Mapping[str, object]) -> int:
    """Physical cores that make one, as an action's arguments say it."""
    compiler = action.get("compiler")
    arguments = compiler.get("arguments", []) if isinstance(compiler, dict) else []
    said = [word.partition("=")[2] for word in arguments if word.startswith("--lnc=")]
    return int(said[0]) if said else 1


CACHED = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq")


def has_cache(model: Mapping[str, object]) -> bool:
    """Whether a model's graphs keep a cache from call to call."""
    return model.get("auto_class") in CACHED
