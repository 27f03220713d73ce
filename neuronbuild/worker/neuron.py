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

from . import graph, neuron_log, padding, probes, traced
from .contract import Action, Check, CompileJob, CompileResult
from .errors import JobError, UserError, first_line
from .toolchain import Compiled, Tensors
from .versions import versions

FILE = "model.neuron"
WORK = "work"
PACKAGES = ("neuron-cc", "torch-neuron", "torch", "transformers")
COMPILED = "neuron::forward"
SHARE_SHOWN = 0.005
"""Less than this part of the operators on the CPU isn't worth a word."""

RETURNED = re.compile(r"Compile command returned: (-?\d+)")
NOTHING = "No operations were successfully partitioned"
LOGGER = "Neuron"
"""The framework's logger: a part that the compiler fails on is told there, and stays on the CPU."""

EXECUTABLE = ".neff"
HEADER = 1024
"""Bytes of a NEFF's header: a shorter file is none."""


def compile_action(job: CompileJob) -> CompileResult:
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
        "checks": [*_checks(folder, module), *padding.measure(module)],
        "facts": {
            "prefix": module.model.base_model_prefix,
            "omitted": omitted,
            "versions": versions(PACKAGES),
            "cpu_share": share,
            "notes": notes,
        },
    }


def _trace(module: graph.Graph, inputs: Tensors, job: CompileJob) -> torch.jit.ScriptModule:
    compiler = job["action"]["compiler"]
    work = os.path.join(job["folder"], WORK)
    os.makedirs(work)
    try:
        with traced.standing_in(work), neuron_log.keeping(LOGGER, work), torch.no_grad():
            made = torch_neuron.trace(
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
    except FileNotFoundError as error:
        if not str(error.filename).endswith(EXECUTABLE):
            raise
        raise JobError("output", f"neuron-cc reported success, but left no {os.path.basename(error.filename)}") from error
    except subprocess.TimeoutExpired as error:
        raise JobError("timeout", f"neuron-cc took longer than {error.timeout:g} s; allow more with limits.timeout") from error
    except (RuntimeError, AttributeError, subprocess.SubprocessError) as error:
        raise explain(error, neuron_log.read(work)) from error
    _refuse_unsound(work)
    return made


def _refuse_unsound(work: str) -> None:
    """Stop at a success that hides a failure: a part whose compiler was killed is on the CPU, by chance and not by the key.

    Where the framework keeps the compiler's files they are looked at too: it takes whatever the compiler left.
    """
    log = neuron_log.read(work)
    killed = [status for status in map(int, RETURNED.findall(log)) if status < 0 or status in neuron_log.KILLED]
    if killed:
        raise neuron_log.classify("neuron-cc", killed[0], log)
    for place, _, names in os.walk(work):
        for name in names:
            if name.endswith(EXECUTABLE) and os.path.getsize(os.path.join(place, name)) <= HEADER:
                raise JobError("output", f"neuron-cc reported success, but left a short {name}")


def _gravity(status: int) -> tuple[bool, int]:
    """Signals first, then the highest exit status: several parts may have failed, each in its way."""
    return status > 0, -status


def explain(error: Exception, log: str) -> Exception:
    """What a failed trace was, in the builder's classes."""
    text = str(error).strip()
    failed = [int(status) for status in RETURNED.findall(text + "\n" + log) if int(status) != 0]
    if failed:
        return neuron_log.classify("neuron-cc", min(failed, key=_gravity), log)
    if isinstance(error, subprocess.SubprocessError):
        return neuron_log.classify("neuron-cc", 1, log or text)
    if NOTHING in text:
        return UserError("neuron-cc could compile no part of this model for inf1")
    if isinstance(error, AttributeError):
        return UserError(f"inf1 has no operator for this model: {first_line(error)}")
    return JobError("internal", f"torch_neuron.trace failed: {first_line(error)}")


def operators(made: torch.jit.ScriptModule) -> Counter[str]:
    """How many of each operator a graph has, those of its parts included."""
    counted: Counter[str] = Counter()
    nodes = list(made.inlined_graph.nodes())
    while nodes:
        node = nodes.pop()
        if node.kind().startswith(("aten::", "neuron::")):
            counted[node.kind()] += 1
        for block in node.blocks():
            nodes.extend(block.nodes())
    return counted


def cpu_share(before: Counter[str], after: Counter[str]) -> tuple[float, list[str]]:
    """The part of a model's operators that is left on the CPU, and which they are.

    Raises:
        UserError: all are: nothing was compiled.
    """
    if not any(kind.startswith(COMPILED) for kind in after):
        raise UserError("nothing of this model was compiled for inf1: all its operators are left on the CPU")
    left = Counter({kind: count for kind, count in after.items() if kind.startswith("aten::")})
    return min(1.0, sum(left.values()) / max(1, sum(before.values()))), sorted(left)


def _checks(folder: str, module: graph.Graph) -> list[Check]:
    """The comparison with eager PyTorch, where there is a device."""
    if not os.environ.get("NEURONBUILD_DEVICE"):
        return []
    compiled = open_compiled(os.path.join(folder, FILE), {})
    return [probes.check(compiled, module, precision(module.action), "real-weights")]


def open_compiled(path: str, constants: dict[str, torch.Tensor]) -> Compiled:  # noqa: ARG001 (inf1 has no weights apart)
    """The compiled graph on a device, as a function of a list of tensors."""
    loaded = torch.jit.load(path)
    return lambda inputs: loaded(*inputs)


def precision(action: Action) -> torch.dtype:
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
