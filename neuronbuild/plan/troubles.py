"""Known trouble of the Neuron SDK, as plain data: which releases fail with which models and options, by whom, what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["crash", "refused"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row: what comes of compiling models of some families, with some options, with the frameworks of some releases.

    `first` and `last` are releases of the SDK whose torch-neuronx does it; without a last one, all later ones do. `torch` is
    what torch's version begins with, `options` are names and values of a target's options. A `crash` is tried once: the table
    may be out of date. What is `refused` isn't planned, and the first of its options is to blame.
    """

    first: str
    last: str | None
    families: tuple[str, ...]
    outcome: Outcome
    problem: str
    advice: str
    source: str
    torch: str = ""
    options: tuple[tuple[str, str], ...] = ()


SDXL = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline")

TROUBLES = (
    Trouble(
        "2.27.0",
        "2.29.1",
        ("convbert", "wav2vec2", "yolos"),
        "crash",
        "tracing it ends the process with SIGSEGV, in torch-neuronx of SDK 2.27 to 2.29 on torch 2.9",
        "plan for SDK 2.30.0, with which such models are traced (`sdk:` or `--sdk`)",
        "aws-neuron-sdk#1265",
        torch="2.9",
    ),
    Trouble(
        "2.31.0",
        None,
        ("convbert", "hubert", "wav2vec2", "yolos"),
        "crash",
        "tracing it ends the process with SIGSEGV, in torch-neuronx of SDK 2.31 and later",
        "plan for SDK 2.30.0, with which such models are traced (`sdk:` or `--sdk`)",
        "aws-neuron-sdk#1265; optimum-neuron, branch sdk2.31, commits ff5f6c6d and 0780b30a",
        torch="2.9",
    ),
    Trouble(
        "2.18.0",
        None,
        SDXL,
        "refused",
        "the UNet of SDXL with weights outside the NEFF is broken since SDK 2.18",
        "use `weights: inline`",
        "aws-neuron-sdk#859",
        options=(("weights", "separate"),),
    ),
)
"""Without SDK 2.30: with it, optimum-neuron's own tests of all four families pass."""
