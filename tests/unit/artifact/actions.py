"""Actions that are made up, for what reads records of them."""

from __future__ import annotations

from neuronbuild.artifact.action import CompileAction, CompilerPart, ConvertAction, InputPart, ModelPart
from neuronbuild.artifact.fingerprint import Fingerprint

CPU = Fingerprint("inductor", "cpu", {"torch": "2.13.0"})
SHAPE = {"batch_size": 1, "sequence_length": 64}


def compile_action(**changes) -> CompileAction:
    """A compile of a BERT for cpu, with some fields changed."""
    fields = {
        "task": "fill-mask",
        "model": ModelPart("AutoModelForMaskedLM", {"model_type": "bert"}),
        "graph": "forward",
        "shape": dict(SHAPE),
        "inputs": (InputPart("input_ids", "int64", (1, 64)),),
        "weights": "separate",
        "dtype": "float32",
        "compiler": CompilerPart(optlevel=2),
        "toolchain": CPU,
    }
    return CompileAction(**{**fields, **changes})


def convert_action(weights: dict[str, str], **changes) -> ConvertAction:
    """A conversion of all that a checkpoint holds."""
    fields = {
        "model": ModelPart("AutoModelForMaskedLM", {"model_type": "bert"}),
        "dtype": "float32",
        "compiler": CompilerPart(optlevel=2),
        "toolchain": CPU,
        "names": ("a",),
    }
    return ConvertAction(weights=weights, **{**fields, **changes})
