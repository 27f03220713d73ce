"""Whether the Neuron SDK here is as its documents say: a tiny graph is compiled, and every assumption tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import ModelPart, document_of
from neuronbuild.build.workbench import Workbench
from neuronbuild.neff import NeffError, find_neff
from neuronbuild.platforms import PLATFORMS
from neuronbuild.recipe.target import Options
from neuronbuild.toolchain.registry import open_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from neuronbuild.api.settings import Settings

UNUSED = {
    "K6": "libneuronxla's own compile call",
    "K7": "NxD's ModelBuilder, apart from what optimum-neuron does with it",
    "K8": "parallel_model_trace",
    "K10": "the SDK's persistent cache",
    "K11": "hand-over to vLLM",
    "K12": "native TorchNeuron",
    "K13": "submission to clusters",
}
"""Contracts that nothing in this version rests on."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One thing that is taken for granted: `confirmed`, `refuted`, `unknown` (it takes a device) or `unused`."""

    platform: str
    contract: str
    assumed: str
    state: str
    detail: str = ""


def selftest(settings: Settings, platforms: Iterable[str]) -> list[Assumption]:
    """Try the assumptions for each platform, in its toolchain's own interpreter.

    Raises:
        ToolchainError: a toolchain is missing or unfit; the hint says how to mend it.
    """
    found = []
    with Workbench(settings.scratch / "work", settings.timeout) as bench:
        for platform in platforms:
            found += _selftest(settings, platform, bench)
    unused = [Assumption("", contract, what, "unused") for contract, what in UNUSED.items()]
    return found + unused


def _selftest(settings: Settings, platform: str, bench: Workbench) -> list[Assumption]:
    row = PLATFORMS[platform]
    options = Options(platform, "none", "bf16", row.levels[0], (), "inline", "float32", 1, dynamic_batch_size=False)
    toolchain = open_toolchain(options.toolchain, platform, settings.toolchain(options.toolchain))
    toolchain.preflight()
    compiler = toolchain.options(options, ModelPart("AutoModel", {"model_type": "bert"}))
    action = {"toolchain": {"name": toolchain.name}, "compiler": document_of(compiler)}
    with bench.folder() as folder:
        job: dict[str, object] = {"kind": "selftest", "action": action, "arguments": list(compiler.arguments or ())}
        answer = bench.run(toolchain, job, folder)
        if answer.error is not None:
            detail = f"{answer.error.kind}: {answer.error.message}"
            return [Assumption(platform, "K2", "the worker survives a trace", "refuted", detail)]
        said = answer.result["findings"]
        listed = [Assumption(platform, **entry) for entry in said] if isinstance(said, list) else []
        return listed + ([_neff(platform, folder, compiler.logical_cores)] if row.neff_header else [])


def _neff(platform: str, folder: Path, cores: int) -> Assumption:
    assumed = "the archive holds a NEFF whose header is as documented"
    try:
        neff = find_neff(folder / "model.neuron")
    except (NeffError, OSError) as error:
        return Assumption(platform, "K5", assumed, "refuted", f"model.neuron {error}")
    state = "confirmed" if neff.lnc_size in {0, cores} else "refuted"
    return Assumption(platform, "K5", assumed, state, f"version {neff.version}, {neff.lnc_size} physical cores a core")
