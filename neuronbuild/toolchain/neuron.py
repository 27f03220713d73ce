"""inf1: torch_neuron.trace and neuron-cc, which last changed in 2023 and need an environment of their own."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.artifact.action import CompilerPart
from neuronbuild.sdks import INDEX, INF1, TRANSFORMERS
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.interpreter import Fault
from neuronbuild.toolchain.neuronx import has_cache
from neuronbuild.toolchain.sdk import SdkToolchain, pick

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction, ModelPart
    from neuronbuild.recipe.target import Options
    from neuronbuild.sdks import Sdk
    from neuronbuild.toolchain.interpreter import Installed

FILE = "model.neuron"
PYTHONS = ("3.8", "3.9", "3.10")
CORES = 4
"""NeuronCores of one chip, over which a model can be spread as a pipeline."""

DEFAULT_OPTLEVEL = 2

CASTS = ("bf16", "fp16", "tf32")
WORDS = {"matmul": "matmult", "all": "all"}
FASTEST = {"fp32-cast-all-bf16": "all"}
"""What optimum-neuron, as long as it compiled for inf1, said for the lowest precision everywhere: other shortcuts included."""


SWITCHES = ("--enable-saturate-infinity", "--enable-fast-loading-neuron-binaries", "--enable-fast-context-switch")
"""What else neuron-cc takes."""

EXTRA = ("compiler", "extra_args")


@final
class Neuron(SdkToolchain):
    """The first generation's compiler."""

    name: ClassVar[str] = "neuron"
    package: ClassVar[str] = "torch-neuron"

    def options(self, options: Options, model: ModelPart) -> CompilerPart:
        """neuron-cc's arguments."""
        if has_cache(model):
            raise OptionError(("platforms",), "text isn't generated on inf1; leave it out, or use inf2")
        if options.weights == "separate":
            raise OptionError(("weights",), "inf1 has no way to bind weights to a compiled graph; use `weights: inline`")
        if options.loading:
            raise OptionError(("compiler", options.loading[0]), "inf1's framework has no such call; leave it out")
        if options.optlevel != DEFAULT_OPTLEVEL:
            raise OptionError(("compiler", "optlevel"), "neuron-cc (inf1) has no levels of optimization; leave it out")
        if options.num_cores > CORES:
            raise OptionError(("num_cores",), f"an inf1 chip has {CORES} cores")
        return CompilerPart(
            arguments=tuple(arguments(options)),
            dynamic_batch_size=options.dynamic_batch_size,
            fallback=True,
            minimum_segment_size=2,
        )

    def pinned(self, sdk: Sdk) -> dict[str, str]:  # noqa: ARG002
        """The same in every release."""
        return {**INF1, "transformers": TRANSFORMERS[self.name]}

    def found(self, installed: Installed) -> dict[str, str]:
        """As its packages say."""
        return pick(installed.packages, (*INF1, "transformers"))

    def faults(self, installed: Installed) -> list[Fault]:
        """Packages that are missing, empty or of another torch, and a Python that they aren't made for."""
        index = f"pip install --extra-index-url {INDEX}"
        faults = [
            Fault(f"{name} is the empty package from PyPI", f"{index} --upgrade {name}") for name in installed.placeholders
        ]
        wanted = f"{index} torch-neuron=={INF1['torch-neuron']} neuron-cc[tensorflow]=={INF1['neuron-cc']} 'protobuf<3.20'"
        faults += [Fault(f"{name} is not installed", wanted) for name in INF1 if name not in installed.packages]
        if installed.packages.get("torch", INF1["torch"]).partition("+")[0] != INF1["torch"]:
            faults.append(Fault(f"torch is {installed.packages['torch']}, torch-neuron is made for {INF1['torch']}", wanted))
        if installed.python.rpartition(".")[0] not in PYTHONS:
            advice = f"make an environment with Python {PYTHONS[-1]}"
            faults.append(Fault(f"Python is {installed.python}, torch-neuron is made for {' and '.join(PYTHONS)}", advice))
        if "neuron-cc" in installed.packages and "neuron-cc" not in installed.compilers:
            faults.append(Fault("the compiler neuron-cc is not on PATH", "install it in the same environment as torch-neuron"))
        return faults

    def fault(self, folder: Path, files: list[str], action: CompileAction) -> str | None:  # noqa: ARG002
        """There must be a file that is whole; the worker has refused one without a compiled part."""
        path = folder / FILE
        if FILE not in files or not path.is_file() or not os.path.getsize(path):  # noqa: PTH202
            return f"the compiler reported success, but left no usable {FILE}"
        return None if zipfile.is_zipfile(path) else f"{FILE} is a damaged archive: it is cut short"


def arguments(options: Options) -> list[str]:
    """`--fast-math` for the cast, `--neuroncore-pipeline-cores` for several cores, then what the recipe adds.

    Raises:
        OptionError: neuron-cc has no such flag or type.
    """
    if options.auto_cast == "none":
        words = ["--fast-math", "none"]
    elif options.auto_cast_type in CASTS:
        word = f"fp32-cast-{WORDS[options.auto_cast]}-{options.auto_cast_type}"
        words = ["--fast-math", FASTEST.get(word, word)]
    else:
        problem = f"neuron-cc can't cast to {options.auto_cast_type}; use {' or '.join(CASTS)}"
        raise OptionError(("compiler", "auto_cast_type"), problem)
    if options.num_cores > 1:
        words += ["--neuroncore-pipeline-cores", str(options.num_cores)]
    for flag in options.extra_args:
        if flag not in SWITCHES:
            raise OptionError(EXTRA, f"neuron-cc (inf1) can't be given {flag!r}; it takes {', '.join(SWITCHES)}")
    return words + sorted(set(options.extra_args))
