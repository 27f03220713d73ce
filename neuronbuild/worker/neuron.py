"""Compile an action for inf1: torch_neuron.trace, which runs neuron-cc on the parts of a graph that it can compile.

What it can't, it leaves to the CPU without an error, so the result is counted before it is kept.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter

import torch
import torch_neuron

from . import graph, neuron_log, numeric, traced
from .serve import JobError, UserError

FILE = "model.neuron"
WORK = "work"
PACKAGES = ("neuron-cc", "torch-neuron", "torch", "transformers")
COMPILED = "neuron::forward"
SHARE_SHOWN = 0.005
"""Less than this part of the operators on the CPU isn't worth a word."""

RETURNED = re.compile(r"Compile command returned: (-?\d+)")
NOTHING = "No operations were successfully partitioned"


def compile_action(job: dict) -> dict:
    """Trace and compile, and write `model.neuron` into the job's folder."""
    action, folder = job["action"], job["folder"]
    module, omitted = traced.open_module(job, apart=False)
    inputs = module.example(seed=0)
    with torch.no_grad():
        outputs = module(*inputs)
        plain = torch.jit.trace(module, inputs, check_trace=False)
    made = _trace(module, inputs, job)
    share, left = cpu_share(operators(plain), operators(made))
    traced.save(made, folder, FILE)
    notes = [f"{share:.0%} of the operators are left on the CPU: {', '.join(left)}"] if share > SHARE_SHOWN else []
    return {
        "files": [FILE],
        "signature": traced.signature(action, module, inputs, outputs, apart=False),
        "checks": [_check(folder, module, inputs)] if os.environ.get("NEURONBUILD_DEVICE") else [],
        "facts": {
            "prefix": module.model.base_model_prefix,
            "omitted": omitted,
            "versions": traced.versions(PACKAGES),
            "cpu_share": share,
            "notes": notes,
        },
    }


def _trace(module: graph.Graph, inputs: tuple, job: dict):
    compiler = job["action"]["compiler"]
    work = os.path.join(job["folder"], WORK)
    os.makedirs(work)
    try:
        with traced.standing_in(work), torch.no_grad():
            return torch_neuron.trace(
                module.eval(),
                inputs,
                compiler_args=list(compiler["arguments"]),
                compiler_timeout=int(job["timeout"]),
                compiler_workdir=work,
                dynamic_batch_size=compiler["dynamic_batch_size"],
                fallback=compiler["fallback"],
                minimum_segment_size=compiler["minimum_segment_size"],
                separate_weights=False,
            )
    except subprocess.TimeoutExpired as error:
        raise JobError("timeout", f"neuron-cc took longer than {error.timeout:g} s; allow more with limits.timeout") from error
    except (RuntimeError, AttributeError, subprocess.SubprocessError) as error:
        raise explain(error, neuron_log.read(work)) from error


def explain(error: Exception, log: str) -> Exception:
    """What a failed trace was, in the builder's classes."""
    text = str(error).strip()
    returned = RETURNED.search(text + "\n" + log)
    if returned and int(returned.group(1)) != 0:
        return neuron_log.classify("neuron-cc", int(returned.group(1)), log)
    if isinstance(error, subprocess.SubprocessError):
        return neuron_log.classify("neuron-cc", 1, log or text)
    if NOTHING in text:
        return UserError("neuron-cc could compile no part of this model for inf1")
    if isinstance(error, AttributeError):
        return UserError(f"inf1 has no operator for this model: {text.splitlines()[0]}")
    return JobError("internal", f"torch_neuron.trace failed: {text.splitlines()[0]}")


def operators(made: torch.jit.ScriptModule) -> Counter:
    """How many of each operator a graph has, those of its parts included."""
    counted = Counter()
    nodes = list(made.inlined_graph.nodes())
    while nodes:
        node = nodes.pop()
        if node.kind().startswith(("aten::", "neuron::")):
            counted[node.kind()] += 1
        for block in node.blocks():
            nodes.extend(block.nodes())
    return counted


def cpu_share(before: Counter, after: Counter) -> tuple:
    """The part of a model's operators that is left on the CPU, and which they are.

    Raises:
        UserError: all are: nothing was compiled.
    """
    if not any(kind.startswith(COMPILED) for kind in after):
        raise UserError("nothing of this model was compiled for inf1: all its operators are left on the CPU")
    left = Counter({kind: count for kind, count in after.items() if kind.startswith("aten::")})
    return min(1.0, sum(left.values()) / max(1, sum(before.values()))), sorted(left)


def _check(folder: str, module: graph.Graph, inputs: tuple) -> dict:
    compiled = open_compiled(os.path.join(folder, FILE), {})
    got, expected = numeric.run_both(compiled, module, inputs)
    return numeric.compare(got, expected, precision(module.action), "real-weights")


def open_compiled(path: str, constants: dict):  # noqa: ARG001 (inf1 has no weights apart)
    """The compiled graph on a device, as a function of a list of tensors."""
    loaded = torch.jit.load(path)
    return lambda inputs: loaded(*inputs)


def precision(action: dict) -> torch.dtype:
    """The lowest precision that the graph computes in, casts of the compiler's included."""
    words = " ".join(action["compiler"]["arguments"])
    for word, dtype in (
        ("-bf16", torch.bfloat16),
        ("-fp16", torch.float16),
        ("-tf32", torch.bfloat16),
        (" all", torch.bfloat16),
    ):
        if word in words:
            return dtype
    return graph.weight_dtype(action)
