"""optimum-neuron's exporter: what it shards, and nothing else here does. Its folder is the artifact, whole.

Options that it would drop without a word are refused, and what it left is compared with what was asked for.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.errors import ToolchainError
from neuronbuild.host import GENERATIONS
from neuronbuild.toolchain.base import OptionError, WorkerCommand
from neuronbuild.toolchain.flags import refuse_platform
from neuronbuild.toolchain.interpreter import Fault, neuronx_faults
from neuronbuild.toolchain.sdk import OVERRIDES, SdkToolchain, pick
from neuronbuild.toolchain.sdks import NXD, OPTIMUM, TRANSFORMERS, minor_of, torch_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.recipe.target import Options
    from neuronbuild.toolchain.interpreter import Installed
    from neuronbuild.toolchain.sdks import Sdk
    from neuronbuild.toolchain.setup import Setup

EXPORTED = "exported/"
"""What the artifact's paths begin with."""

PACKAGES = (
    "optimum-neuron", "torch-neuronx", "libneuronxla", "neuronx-distributed", "torch-xla", "torch", "transformers",
)  # fmt: skip

TASKS = {
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "AutoModelForSpeechSeq2Seq": "automatic-speech-recognition",
}
"""By transformers' auto class, what the exporter calls the task."""

PARTS = ("encoder", "decoder")
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
        refuse_platform(options.platform, minor_of(self.versions()["neuronx-cc"]))
        if options.weights == "separate":
            raise OptionError(("weights",), "optimum-neuron's folders hold their weights; use `weights: inline`")
        if options.dynamic_batch_size or options.extra_args or options.loading:
            key = (
                ("dynamic_batch_size",)
                if options.dynamic_batch_size
                else ("compiler", *(options.loading or ("extra_args",))[:1])
            )
            raise OptionError(key, "optimum-neuron would drop this without a word: leave it out")
        return {"arguments": _arguments(options, task), "num_cores": options.num_cores}

    def pinned(self, sdk: Sdk) -> dict[str, str]:
        """The exporter that is made for the release, and what it pins itself."""
        if sdk.release not in OPTIMUM:
            able = next(iter(OPTIMUM))
            hint = f"set toolchains.optimum.sdk to {able}: its environment is one of its own"
            raise ToolchainError(self.name, f"no optimum-neuron is made for SDK {sdk.release}", hint=hint)
        framework = sdk.torch_neuronx[0]
        return {
            "optimum-neuron": OPTIMUM[sdk.release],
            "neuronx-cc": sdk.neuronx_cc,
            "torch-neuronx": framework,
            "libneuronxla": sdk.libneuronxla,
            "neuronx-distributed": NXD[sdk.release],
            "torch": torch_of(framework),
            "transformers": TRANSFORMERS[self.name],
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
        if "neuron_config.json" in found:
            return _decoder_fault(folder / EXPORTED, found, action)
        for part in PARTS:
            if not {f"{part}/model.neuron", f"{part}/config.json"} <= found:
                return f"optimum-neuron reported success, but left no usable {part}/model.neuron"
        return None


def _arguments(options: Options, task: str) -> list[str]:
    words = ["--task", task, "--instance_type", options.platform, "--tensor_parallel_size", str(options.num_cores)]
    words += ["--torch_dtype", DTYPES[options.dtype]]
    if task == TASKS["AutoModelForCausalLM"]:
        if options.auto_cast != "none" or options.optlevel != DEFAULT_OPTLEVEL:
            key = ("compiler", "auto_cast" if options.auto_cast != "none" else "optlevel")
            raise OptionError(key, "optimum-neuron would drop this without a word for a decoder: leave it out")
        return words
    if options.auto_cast != "none":
        if options.auto_cast_type not in CASTS:
            raise OptionError(("compiler", "auto_cast_type"), f"optimum-neuron casts to {' or '.join(CASTS)}")
        words += ["--auto_cast_type", options.auto_cast_type]
    return [*words, "--auto_cast", options.auto_cast, f"-O{options.optlevel}", "--inline-weights-neff"]


def _decoder_fault(folder: Path, found: set[str], action: Mapping[str, object]) -> str | None:
    if "model.pt" not in found:
        return "optimum-neuron reported success, but left no usable model.pt"
    try:
        config = json.loads((folder / "neuron_config.json").read_bytes())
        asked = _asked(action)
        wrong = [f"{name} {config.get(name)} instead of {value}" for name, value in asked.items() if config.get(name) != value]
    except (ValueError, TypeError, AttributeError) as error:
        return f"optimum-neuron's neuron_config.json can't be read: {error}"
    if wrong:
        return f"optimum-neuron compiled something else: {', '.join(wrong)}"
    ranks = [f"checkpoint/weights/tp{rank}_sharded_checkpoint.safetensors" for rank in range(int(str(asked["tp_degree"])))]
    lacking = [name for name in ranks if name not in found]
    return f"optimum-neuron left no {lacking[0]}: the folder would need the checkpoint again" if lacking else None


def _asked(action: Mapping[str, object]) -> dict[str, object]:
    shape, compiler, toolchain = action["shape"], action["compiler"], action["toolchain"]
    if not isinstance(shape, dict) or not isinstance(compiler, dict) or not isinstance(toolchain, dict):
        raise TypeError("the action is none")
    target = toolchain["flags"]["target_override"]
    return {**shape, "tp_degree": compiler["num_cores"], "target": target, "torch_dtype": action["dtype"]}
