"""A double of torch_neuron: what it compiles is one opaque operator, and what it doesn't is left as it was."""

from __future__ import annotations

import io
import json
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import time
import warnings

import neuron_double as double
import torch

KNOWN = {
    "compiler_args", "compiler_timeout", "compiler_workdir", "subgraph_builder_function", "minimum_segment_size",
    "single_fusion_ratio_threshold", "fallback", "dynamic_batch_size", "optimizations", "separate_weights",
}  # fmt: skip
OF_JIT_TRACE = {"strict", "check_trace"}
NEURONX_ONLY = ("--target", "--auto-cast", "--optlevel", "--model-type")
AGES = 600
NOTHING = "No operations were successfully partitioned and compiled to neuron for this model - aborting trace!"
_TRACING = []
_GRAPHS: dict = {}
_LOGGER = logging.getLogger("Neuron")
_LOGGER.setLevel(logging.INFO)


def _forward(inputs, blob, spec):
    if not _TRACING:
        double.require_device()
    said = json.loads(spec)
    for tensor, (shape, dtype) in zip(inputs, said["inputs"]):
        same = list(tensor.shape)[int(said["dynamic"]) :] == shape[int(said["dynamic"]) :]
        if not same or str(tensor.dtype) != dtype:
            raise RuntimeError(f"inputs of {list(tensor.shape)} don't fit the compiled {shape}")
    data = blob.numpy().tobytes()
    if data not in _GRAPHS and not _TRACING:
        _GRAPHS[data] = _REAL_LOAD(io.BytesIO(double.payload_of(data)))
    with torch.no_grad():
        result = (_TRACING or [_GRAPHS.get(data)])[-1](*inputs)
    return [tensor.clone() for tensor in (result if isinstance(result, tuple) else (result,))]


_LIBRARY = torch.library.Library("neuron", "FRAGMENT")
_LIBRARY.define("forward_v2_1(Tensor[] inputs, Tensor blob, str spec) -> Tensor[]")
_LIBRARY.impl("forward_v2_1", _forward, "CompositeExplicitAutograd")


class _Mixed(torch.nn.Module):
    """The compiled part, and operators that stay on the CPU."""

    def __init__(self, blob: bytes, spec: dict, *, partial: bool) -> None:
        super().__init__()
        self.register_buffer("blob", torch.frombuffer(bytearray(blob), dtype=torch.uint8))
        self.spec, self.partial = json.dumps(spec), partial

    def forward(self, *inputs):
        outputs = torch.ops.neuron.forward_v2_1(list(inputs), self.blob, self.spec)
        if self.partial:
            outputs = [torch.neg(torch.neg(tensor)) for tensor in outputs]
        return tuple(outputs)


def trace(model, example_inputs, **keywords):
    """The documented call; what it doesn't know goes to `torch.jit.trace`."""
    os.environ[double.STEP] = str(example_inputs[0].shape[0])
    unknown = set(keywords) - KNOWN - OF_JIT_TRACE
    if unknown:
        raise TypeError(f"trace() got an unexpected keyword argument {min(unknown)!r}")
    arguments = keywords.get("compiler_args", [])
    if not isinstance(arguments, list):
        raise TypeError("compiler_args must be a list")
    if any(word.split("=")[0] in NEURONX_ONLY for word in arguments):
        raise subprocess.SubprocessError(f"neuron-cc failed with the following command line call: {arguments}")
    if not isinstance(keywords.get("compiler_timeout", 0), int):
        raise TypeError("compiler_timeout is a number of seconds")
    double.note(call="torch_neuron.trace", **{name: keywords[name] for name in sorted(keywords)})
    chosen = double.act("trace")
    _mishap(chosen, keywords)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = torch.jit.trace(model, example_inputs, check_trace=False)
    if chosen == "cpu-only":
        warnings.warn("No operator is placed on Neuron runtime; returning a CPU trace", UserWarning, stacklevel=2)
        return plain
    blob = _compile(plain, arguments, pathlib.Path(keywords.get("compiler_workdir", ".")))
    spec = {
        "inputs": [[list(tensor.shape), str(tensor.dtype)] for tensor in example_inputs],
        "dynamic": bool(keywords.get("dynamic_batch_size")),
    }
    _TRACING.append(plain)
    try:
        return torch.jit.trace(_Mixed(blob, spec, partial=chosen == "partial"), example_inputs, check_trace=False)
    finally:
        _TRACING.pop()


def _mishap(chosen, keywords):
    if chosen == "nothing":
        raise RuntimeError(NOTHING)
    if chosen == "timeout":
        raise subprocess.TimeoutExpired("neuron-cc", keywords["compiler_timeout"])
    if chosen == "unsupported" and not keywords.get("fallback", True):
        raise AttributeError("aten::hum is not supported")
    if chosen == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if chosen == "disk":
        raise OSError(28, "No space left on device")
    if chosen == "hang":
        time.sleep(AGES)


def _compile(plain, arguments, workdir):
    buffer = io.BytesIO()
    _REAL_SAVE(plain, buffer)
    graph, output = workdir / "graph_def.pb", workdir / "graph_def.neff"
    graph.write_bytes(buffer.getvalue())
    command = [shutil.which("neuron-cc"), "compile", str(graph), "--framework", "TENSORFLOW", "--io-config", "{}"]
    done = subprocess.run([*command, "--output", str(output), *arguments], check=False, capture_output=True, text=True)
    _LOGGER.info("Compile command returned: %s", done.returncode)
    if done.returncode != 0:
        (workdir / "neuron-cc.log").write_text(done.stderr)
        if double.settings()["acts"].get(f"neuron-cc {os.environ[double.STEP]}", "").endswith("-left"):
            _LOGGER.warning("torch.neuron.trace failed on _NeuronGraph$1; falling back to native python function call")
            raise RuntimeError(NOTHING)
        raise subprocess.SubprocessError(f"neuron-cc failed with the following command line call: {' '.join(command)}")
    if "another-part" in double.act("partition"):
        _LOGGER.info("Compile command returned: -9")
    return output.read_bytes()


_REAL_LOAD, _REAL_SAVE = torch.jit.load, torch.jit.save


def _load(file, *args, **kwargs):
    """Loading puts a model on a NeuronCore at once."""
    module = _REAL_LOAD(file, *args, **kwargs)
    if hasattr(module, "named_buffers") and "blob" in dict(module.named_buffers()):
        double.require_device()
        double.note(call="load", file=str(file))
    return module


def _save(module, file, *args, **kwargs):
    name = double.act("save")
    if name == "disk":
        pathlib.Path(file).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")
    _REAL_SAVE(module, file, *args, **kwargs)
    if name == "short":
        data = pathlib.Path(file).read_bytes()
        pathlib.Path(file).write_bytes(data[: len(data) // 2])


torch.jit.load, torch.jit.save = _load, _save
