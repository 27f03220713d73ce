"""Compile an action for inf2 and all Trainium: torch_neuronx.trace, which runs neuronx-cc, then a TorchScript file.

Nothing that was made is loaded here unless the builder said that this host has a device: loading starts the runtime.
"""

from __future__ import annotations

import os
import re

import torch
import torch_neuronx

from . import graph, graph_classes, neuron_log, noise, padding, probes, traced
from .contract import Action, Check, CompileJob, CompileResult
from .errors import JobError, UserError, first_line
from .toolchain import Compiled, Tensors
from .versions import versions

FILE = "model.neuron"
WORK = "work"
PACKAGES = ("neuronx-cc", "torch-neuronx", "libneuronxla", "torch-xla", "torch", "transformers")

FAILED = re.compile(r"neuronx-cc failed with (-?\d+)")
MISSING = ("compiler binary does not exist", "neuronx-cc is not installed")
UNTRACEABLE = ("not implemented", "unsupported", "lowering", "no lowering", "could not run 'aten::")
"""In what torch-xla says of an operator that it has not."""

CASTS = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.bfloat16, "fp8_e4m3": torch.bfloat16}
"""Dtypes whose tolerance holds for a cast; the last two are no dtypes of a CPU's."""


def compile_action(job: CompileJob) -> CompileResult:
    """Trace and compile, and write `model.neuron` into the job's folder; compare with eager PyTorch if there is a device."""
    action, folder = job["action"], job["folder"]
    apart = action["weights"] == "separate"
    module, omitted = traced.open_module(job, apart=apart)
    inputs = module.example(seed=0)
    with torch.no_grad():
        outputs = module(*(tensor.clone() for tensor in inputs))
    made = _trace(traced.Nested.around(traced.Stateful.around(module, inputs)), inputs[: len(module.input_names)], job)
    if action["compiler"]["dynamic_batch_size"]:
        torch_neuronx.dynamic_batch(made)
    if action["compiler"].get("lazy_load"):
        torch_neuronx.lazy_load(made)
    if action["compiler"].get("async_load"):
        torch_neuronx.async_load(made)
    traced.save(made, folder, FILE)
    return {
        "files": [FILE],
        "signature": traced.signature(action, module, inputs, outputs, apart=apart),
        "checks": [*_checks(action, folder, module), *_padding(action, module)],
        "facts": {"prefix": module.model.base_model_prefix, "omitted": omitted, "versions": versions(PACKAGES)},
    }


def _trace(module: torch.nn.Module, inputs: Tensors, job: CompileJob) -> torch.jit.ScriptModule:
    """The traced module. The compiler is run in a folder of its own, since it leaves files where it stands."""
    work = os.path.join(job["folder"], WORK)
    os.makedirs(work)
    try:
        with traced.standing_in(work), torch.no_grad():
            return torch_neuronx.trace(
                module.eval(),
                inputs,
                input_output_aliases=traced.aliases(module),
                compiler_workdir=work,
                compiler_args=list(job["action"]["compiler"]["arguments"]),
                inline_weights_to_neff=job["action"]["weights"] != "separate",
                cpu_backend=True,
            )
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        raise explain(error, neuron_log.read(work)) from error


def explain(error: Exception, log: str) -> Exception:
    """What a failed trace was, in the builder's classes."""
    text = str(error).strip()
    failed = FAILED.search(text)
    if failed:
        return neuron_log.classify("neuronx-cc", int(failed.group(1)), log)
    if any(words in text for words in MISSING):
        return UserError(f"{first_line(error)}: install neuronx-cc where torch-neuronx is, and see `neuronbuild doctor`")
    if isinstance(error, AttributeError):
        if hasattr(torch_neuronx, "trace"):
            return error
        return UserError("this torch-neuronx has no `trace`: it is TorchNeuron; install torch-neuronx 2.9.0.2.15.32035")
    if isinstance(error, NotImplementedError) or any(words in text.lower() for words in UNTRACEABLE):
        return UserError(f"torch_neuronx can't trace this model: {first_line(error)}")
    return JobError("internal", f"torch_neuronx.trace failed: {first_line(error)}")


def _checks(action: Action, folder: str, module: graph.Graph) -> list[Check]:
    """The comparison with eager PyTorch, where there is a device."""
    if not os.environ.get("NEURONBUILD_DEVICE"):
        return []
    apart = action["weights"] == "separate"
    if apart:
        noise.shake(module.model, noise.COMPARED)  # zeros would agree whatever the graph does
        noise.settle(module, precision(action), (noise.COMPARED,))
    state = {name: tensor.detach() for name, tensor in module.state_dict().items()}
    compiled = open_compiled(os.path.join(folder, FILE), state if apart else {})
    return [probes.check(compiled, module, precision(action), "random-weights" if apart else "real-weights")]


def _padding(action: Action, module: graph.Graph) -> list[Check]:
    """Whether padding changes results. Weights that lie apart are zeros here, and would show nothing."""
    if action["weights"] == "separate":
        module = graph_classes.open_graph(graph.make_model(action, torch.float32), action)
    return padding.measure(module)


def open_compiled(path: str, constants: dict[str, torch.Tensor]) -> Compiled:
    """The compiled graph on a device, as a function of a list of tensors; weights that lie apart are bound."""
    loaded = torch.jit.load(path)
    if constants:
        torch_neuronx.replace_weights(loaded, constants)
        torch_neuronx.move_trace_to_device(loaded, 0)
    return lambda inputs: traced.call(loaded, inputs)


def precision(action: Action) -> torch.dtype:
    """The lowest precision that the graph computes in, casts of the compiler's included."""
    said = dict(word.partition("=")[::2] for word in action["compiler"]["arguments"])
    cast = said.get("--auto-cast-type") if said.get("--auto-cast") != "none" else None
    return CASTS[cast] if cast else graph.weight_dtype(action)
