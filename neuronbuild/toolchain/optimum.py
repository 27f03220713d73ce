"""optimum-neuron's exporter: what it shards, and nothing else here does. Its folder is the artifact, whole.

Options that it would drop without a word are refused, and what it left is compared with what was asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.errors import ToolchainError
from neuronbuild.host import GENERATIONS
from neuronbuild.sdks import EXPORTERS, LIBRARIES, minor_of
from neuronbuild.tasks import PIPELINES, Pipeline
from neuronbuild.tasks.pipelines import adapter_folder, controlnet_folder
from neuronbuild.toolchain.base import OptionError, WorkerCommand
from neuronbuild.toolchain.exported import exporter_fault
from neuronbuild.toolchain.flags import refuse_platform
from neuronbuild.toolchain.interpreter import Fault, neuronx_faults
from neuronbuild.toolchain.sdk import OVERRIDES, SdkToolchain, pick

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.recipe.target import Options
    from neuronbuild.sdks import Sdk
    from neuronbuild.toolchain.interpreter import Installed
    from neuronbuild.toolchain.setup import Setup

EXPORTED = "exported/"
"""What the artifact's paths begin with."""

PACKAGES = (
    "optimum-neuron", "torch-neuronx", "libneuronxla", "neuronx-distributed", "torch-xla", "torch", "transformers",
)  # fmt: skip

DECODER = "text-generation"

TASKS = {
    "AutoModelForCausalLM": DECODER,
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "AutoModelForSpeechSeq2Seq": "automatic-speech-recognition",
    "AutoPipelineForText2Image": "text-to-image",
    "AutoPipelineForImage2Image": "image-to-image",
    "AutoPipelineForInpainting": "inpainting",
}
"""By the auto class of transformers or diffusers, what the exporter calls the task."""

MODEL = "model"
"""The folder that the worker puts the model into: the exporter runs beside it."""

OF_PIPELINES = ("diffusers", "peft")

CASTS = ("bf16", "fp16", "tf32")
DEFAULT_OPTLEVEL = 2
DTYPES = {"float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}


@final
class Optimum(SdkToolchain):
    """Delegates to optimum-neuron, in an environment that is made for it."""

    name: ClassVar[str] = "optimum"
    package: ClassVar[str] = "optimum-neuron"
    attention: ClassVar[str | None] = None

    def __init__(self, setup: Setup, platform: str) -> None:
        super().__init__(setup)
        self._platform = platform

    def options(self, options: Options, model: Mapping[str, object]) -> dict[str, object]:
        """The exporter's own arguments, apart from shapes, which follow from the action's."""
        task = TASKS.get(str(model.get("auto_class")))
        if task is None:
            raise OptionError(("num_cores",), "only models that generate are spread over cores; use num_cores: 1")
        versions = self.versions()
        refuse_platform(options.platform, minor_of(versions["neuronx-cc"]))
        if options.weights == "separate":
            raise OptionError(("weights",), "optimum-neuron's folders hold their weights; use `weights: inline`")
        pipeline = PIPELINES.get(_model_type(model))
        dropped: list[tuple[str, ...]] = [("compiler", name) for name in options.loading]
        dropped += [("compiler", "extra_args")] if options.extra_args else []
        dropped += [("dynamic_batch_size",)] if options.dynamic_batch_size and pipeline is None else []
        if dropped:
            raise OptionError(dropped[0], "optimum-neuron would drop this without a word: leave it out")
        said: dict[str, object] = {"arguments": _arguments(options, task), "num_cores": options.num_cores}
        if pipeline is None:
            return said
        libraries = LIBRARIES.get(versions.get("optimum-neuron", ""), {}) if self._setup.sdk else self.installed.packages
        return {
            **said,
            "arguments": [*_arguments(options, task), *_additions(options, model, pipeline)],
            "libraries": {name: versions.get(name) or libraries.get(name, "") for name in OF_PIPELINES},
        }

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
        override = {"NEURON_PLATFORM_TARGET_OVERRIDE": OVERRIDES[GENERATIONS[self._platform]]}
        return WorkerCommand(command.interpreter, {**command.environment, **override}, "optimum " + self._platform)

    def runs_here(self, platform: str) -> bool:  # noqa: ARG002
        """Never: its loader runs it, not ours."""
        return False

    def fault(self, folder: Path, files: list[str], action: Mapping[str, object]) -> str | None:
        """The exporter writes its config before it compiles, and may report success all the same: all is looked at."""
        found = {name.removeprefix(EXPORTED) for name in files if name.startswith(EXPORTED)}
        empty = sorted(name for name in files if not os.path.getsize(folder / name))  # noqa: PTH202
        if empty:
            return f"optimum-neuron left an empty file: {empty[0]}"
        return exporter_fault(folder / EXPORTED, found, action)


def _model_type(model: Mapping[str, object]) -> str:
    config = model.get("config")
    return str(config.get("model_type")) if isinstance(config, dict) else ""


def _additions(options: Options, model: Mapping[str, object], pipeline: Pipeline) -> list[str]:
    """What only pipelines are given. The exporter passes over a LoRA without a file name, and over several without names."""
    lora, controlnets = model.get("lora"), model.get("controlnets")
    if options.num_cores > 1 and not pipeline.sharded:
        raise OptionError(("num_cores",), f"optimum-neuron doesn't spread a {pipeline.name} over cores: leave this out")
    if options.num_cores > 1 and lora:
        raise OptionError(("lora",), "parts over several cores are read from the checkpoint, without any LoRA: leave it out")
    if controlnets and options.dtype != "float32":
        raise OptionError(("dtype",), "optimum-neuron compiles ControlNets in float32, whatever the rest is in: leave this out")
    words = ["--dynamic-batch-size"] if options.dynamic_batch_size else []
    if isinstance(lora, list) and lora:
        names = [adapter_folder(index) for index in range(len(lora))]
        words += ["--lora_model_ids", *(f"{MODEL}/{name}" for name in names)]
        words += ["--lora_weight_names", *(str(each["weights"]) for each in lora), "--lora_adapter_names", *names]
        words += ["--lora_scales", *(repr(each["scale"]) for each in lora)]
    if isinstance(controlnets, int) and controlnets:
        words += ["--controlnet_ids", *(f"{MODEL}/{controlnet_folder(index)}" for index in range(controlnets))]
    return words


def _arguments(options: Options, task: str) -> list[str]:
    words = ["--task", task, "--instance_type", options.platform, "--tensor_parallel_size", str(options.num_cores)]
    words += ["--torch_dtype", DTYPES[options.dtype]]
    if task == DECODER:
        if options.auto_cast != "none" or options.optlevel != DEFAULT_OPTLEVEL:
            key = ("compiler", "auto_cast" if options.auto_cast != "none" else "optlevel")
            advice = "use dtype: bfloat16 or float16" if options.auto_cast != "none" else "leave it out"
            raise OptionError(key, f"optimum-neuron would drop this without a word for a decoder: {advice}")
        return words
    if options.auto_cast != "none":
        if options.auto_cast_type not in CASTS:
            raise OptionError(("compiler", "auto_cast_type"), f"optimum-neuron casts to {' or '.join(CASTS)}")
        words += ["--auto_cast_type", options.auto_cast_type]
    return [*words, "--auto_cast", options.auto_cast, f"-O{options.optlevel}", "--inline-weights-neff"]
