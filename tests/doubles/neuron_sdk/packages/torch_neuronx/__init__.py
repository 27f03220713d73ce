"""A double of the XLA lineage of torch_neuronx: the documented calls, in the documented order, and nothing else.

What it traces runs on the CPU, out of the NEFF itself, when the double's settings say that there is a device.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import warnings

import front_end
import neuron_double as double
import one_device
import torch

_AT_IMPORT = os.environ.get("NEURON_PLATFORM_TARGET_OVERRIDE")
AGES = 600
_GRAPHS: dict = {}
_TRACING = []

_INSTANCES = itertools.count()
"""Graphs that this process has lowered: the real package counts them, and the count goes into the module and its hash."""

FATAL = {"convbert": (2, 27), "wav2vec2": (2, 27), "yolos": (2, 27), "hubert": (2, 31)}
"""Families whose tracing ends the process (SIGSEGV), by the first release that is known for it."""

TRACES_ALL = (2, 30)
"""The release between that traces them all the same. With `tracer: mended` among the settings every release does."""


def _forward(inputs, neff, weights, states, spec):
    """What the runtime does with a graph: the very shapes and dtypes that it was compiled for, on a device."""
    if not _TRACING:
        double.require_device()
    said = json.loads(spec)
    given = [[list(tensor.shape), str(tensor.dtype)] for tensor in inputs]
    if given != said["inputs"]:
        raise RuntimeError(f"Incorrect tensor shape at input: received {given}, expected {said['inputs']}")
    graph = _graph(bytes(neff.numpy().tobytes()))
    if said["weights"]:
        graph.load_state_dict(dict(zip(said["weights"], weights)), strict=False)
    if said["states"]:
        graph.load_state_dict(dict(zip(said["states"], states)), strict=False)
    with torch.no_grad():
        result = graph(*inputs)
    return [tensor.clone() for tensor in front_end.flat(result)]


def _nested(nest, tensors):
    """The tuples that the traced function gave, of tensors in their order; `nest` has a `None` for each tensor."""
    return tuple(next(tensors) if each is None else _nested(each, tensors) for each in nest)


def _nest_of(outputs):
    return [None if isinstance(each, torch.Tensor) else _nest_of(each) for each in outputs]


def _graph(neff: bytes):
    if neff not in _GRAPHS:
        _GRAPHS[neff] = _REAL_LOAD(io.BytesIO(double.payload_of(neff)))
    return _GRAPHS[neff]


_LIBRARY = torch.library.Library("neuron", "FRAGMENT")
_LIBRARY.define("forward_1(Tensor[] inputs, Tensor neff, Tensor[] weights, Tensor[] states, str spec) -> Tensor[]")
_LIBRARY.impl("forward_1", _forward, "CompositeExplicitAutograd")


class _Compiled(torch.nn.Module):
    """Weights (where they lie apart), states (which are its only parameters) and the NEFF, around one operator."""

    def __init__(self, neff: bytes, weights: dict, states: dict, spec: dict) -> None:
        super().__init__()
        self.register_buffer("neff", torch.frombuffer(bytearray(neff), dtype=torch.uint8))
        self.register_buffer("flags", torch.zeros(4, dtype=torch.int64))
        self.names = list(weights)
        for index, tensor in enumerate(weights.values()):
            self.register_buffer(f"weight_{index}", tensor.detach().clone())
        self.aliases = list(spec["states"].values())
        self.states = torch.nn.ParameterList(
            torch.nn.Parameter(t.detach().clone(), requires_grad=False) for t in states.values()
        )
        self.spec, self.single, self.nest = json.dumps(spec), spec["single"], spec["nest"]

    def forward(self, *inputs):
        weights = [getattr(self, f"weight_{index}") for index in range(len(self.names))]
        outputs = torch.ops.neuron.forward_1(list(inputs), self.neff, weights, list(self.states), self.spec)
        for state, index in zip(self.states, self.aliases):
            state.copy_(outputs[index])
        left = [tensor for index, tensor in enumerate(outputs) if index not in self.aliases]
        return left[0] if self.single else _nested(self.nest, iter(left))


def trace(func, example_inputs, *positional, **keywords):
    """The documented signature of the emulated release."""
    _refuse_call(func, example_inputs, positional, keywords)
    os.environ[double.STEP] = str(example_inputs[0].shape[0])
    said = {name: value for name, value in keywords.items() if name != "input_output_aliases"}
    double.note(call="trace", pid=os.getpid(), **said)
    _die_of_family(func)
    if not keywords.get("cpu_backend"):
        _require_pjrt()
    words = keywords.get("compiler_args") or []
    words = words.split() if isinstance(words, str) else words
    if not double.settings()["device"] and not any(word.split("=")[0] == "--target" for word in words):
        raise RuntimeError(
            "If you want to compile on CPU, please supply compiler argument target, with one of options trn1, inf2, "
            "trn1n, or trn2"
        )
    _mishap(double.act("trace"))
    workdir = pathlib.Path(keywords.get("compiler_workdir") or "neuronx-workdir")
    inline = keywords.get("inline_weights_to_neff", True)
    aliases = keywords.get("input_output_aliases") or {}
    states = _states(func, aliases)
    if not front_end.is_real():
        one_device.refuse_mixed_devices(func, example_inputs)
    hlo = _lower(func, example_inputs, workdir)
    neff = _compile(hlo, words, workdir)
    weights = {} if inline else {name: t for name, t in func.state_dict().items() if name not in states}
    given = func(*example_inputs)
    single = isinstance(given, torch.Tensor)
    spec = {
        "inputs": [[list(tensor.shape), str(tensor.dtype)] for tensor in example_inputs],
        "weights": list(weights),
        "inline": inline,
        "single": single,
        "nest": [] if single else _nest_of(given)[: len(given) - len(states)],
        "states": states,
    }
    held = {name: tensor for name, tensor in [*func.named_parameters(), *func.named_buffers()] if name in states}
    return _wrap(neff, weights, held, spec, example_inputs)


def _refuse_call(func, example_inputs, positional, keywords):
    known = {"compiler_workdir", "compiler_args"}
    if double.sdk() >= double.FIRST_KEYWORDS:
        known |= {"input_output_aliases", "partitioner_config", "inline_weights_to_neff"}
    if double.sdk() >= double.FIRST_CPU_BACKEND:
        known |= {"cpu_backend"}
    unknown = sorted(set(keywords) - known)
    if unknown and double.settings().get("lenient"):
        warnings.warn(f"Unexpected keyword arguments: {unknown}", UserWarning, stacklevel=3)
    elif unknown:
        raise TypeError(f"Unexpected keyword arguments: {unknown}")
    if positional:
        raise TypeError("trace takes two positional arguments; keywords only after them")
    if _AT_IMPORT is None and not double.settings()["device"]:
        raise AssertionError("torch_neuronx was imported before NEURON_PLATFORM_TARGET_OVERRIDE was set")
    if not isinstance(example_inputs, tuple) or not all(isinstance(each, torch.Tensor) for each in example_inputs):
        raise TypeError("example_inputs must be a tuple of tensors")
    if isinstance(func, torch.nn.Module) and func.training:
        raise AssertionError("the module is in training mode")
    if torch.is_grad_enabled():
        raise AssertionError("trace outside torch.no_grad()")
    words = keywords.get("compiler_args")
    if words is not None and not isinstance(words, str | list):
        raise TypeError("compiler_args must be a string or a list of strings")
    if isinstance(words, list) and not all(isinstance(word, str) for word in words):
        raise TypeError("compiler_args must be a string or a list of strings")


def _die_of_family(func):
    release = double.sdk()[:2]
    if release == TRACES_ALL or double.settings().get("tracer") == "mended" or not isinstance(func, torch.nn.Module):
        return
    types = {getattr(getattr(module, "config", None), "model_type", None) for module in func.modules()}
    if any(release >= first for family, first in FATAL.items() if family in types):
        os.kill(os.getpid(), signal.SIGSEGV)


def _require_pjrt():
    if not double.settings()["device"]:
        raise RuntimeError("Bad StatusOr access: INTERNAL: PJRT_Client_Create failed: !(num_devices > 0)")


def _mishap(name):
    if name == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "hang":
        time.sleep(AGES)
    if name == "operator":
        raise RuntimeError("The operator aten::hum is not implemented for the XLA backend")
    if name == "not-installed":
        raise RuntimeError("neuronx-cc is not installed. Install it with pip install neuronx-cc")
    if name == "odd":
        raise RuntimeError("INTERNAL: a fault of torch-xla's own")
    if name == "disk":
        raise OSError(28, "No space left on device")


def _states(func, aliases):
    """Names of the parameters that are marked as state: the keys of the mapping are the module's own tensors."""
    found = {}
    for tensor, index in aliases.items():
        names = [name for name, each in [*func.named_parameters(), *func.named_buffers()] if each is tensor]
        if not names or not isinstance(index, int):
            raise ValueError("input_output_aliases maps parameters of the module to indices of its outputs")
        found[names[0]] = index
    return found


def _lower(func, example_inputs, workdir):
    """The module's HLO in a file, and beside it what the runtime runs; without torch-xla the one stands for the other."""
    (workdir / "model").mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch.jit.trace(func, example_inputs, check_trace=False)
    buffer, instance = io.BytesIO(), next(_INSTANCES)
    _REAL_SAVE(graph, buffer, _extra_files={"instance": str(instance)})
    hlo = workdir / "model/graph.hlo"
    lowered = front_end.lower(func, example_inputs) + double.hlo_id(instance) if front_end.is_real() else buffer.getvalue()
    hlo.write_bytes(lowered)
    hlo.with_suffix(double.RUN).write_bytes(buffer.getvalue())
    return hlo


def _compile(hlo, words, workdir):
    """Run the compiler where the caller stands: pieces of NKI are dropped there."""
    pathlib.Path(f"neuronxcc.private_nkl.{hashlib.sha256(hlo.read_bytes()).hexdigest()[:16]}").mkdir(exist_ok=True)
    compiler = shutil.which("neuronx-cc")
    if compiler is None:
        raise RuntimeError("neuronx-cc compiler binary does not exist")
    output, log = workdir / "graph.neff", workdir / "log-neuron-cc.txt"
    command = [compiler, "compile", str(hlo), "--framework", "XLA", *words]
    command += ["--output", str(output), "--logfile", str(log), "--verbose", "35"]
    (workdir / "command.txt").write_text(" ".join(command))
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise RuntimeError(f"neuronx-cc failed with {done.returncode}")
    return output.read_bytes() if output.is_file() else b""


def _wrap(neff, weights, states, spec, example_inputs):
    if not neff.startswith(b"\2") or len(neff) <= double.HEADER.size:
        made = torch.jit.script(torch.nn.Identity())  # success was reported without a usable NEFF
        object.__setattr__(made, "_double", None)
        return made
    compiled = _Compiled(neff, weights, {name: states[name] for name in spec["states"]}, spec)
    _TRACING.append(True)
    try:
        made = torch.jit.trace(compiled, example_inputs, check_trace=False)
    finally:
        _TRACING.pop()
    _CALLS[id(made)] = {"done": set(), "spec": spec, "made": made}
    return made


_CALLS: dict = {}


def _mark(made, name, index):
    """dynamic_batch, lazy_load and async_load come after trace and before save, once each."""
    call = _CALLS.get(id(made))
    if call is None:
        if isinstance(made, torch.jit.ScriptModule) and not hasattr(made, "neff"):
            return made
        raise TypeError(f"{name} takes what trace returned")
    if name in call["done"] or "save" in call["done"]:
        raise RuntimeError(f"{name} must be called once, before torch.jit.save")
    call["done"].add(name)
    made.flags[index] = 1
    double.note(call=name)
    return made


def dynamic_batch(neuron_script):
    call = _CALLS.get(id(neuron_script))
    if call is not None:
        firsts = {shape[0] if shape else None for shape, _ in call["spec"]["inputs"]}
        if len(firsts) != 1 or None in firsts:
            raise ValueError("dynamic_batch: all inputs must share dimension 0")
        if not call["spec"]["inline"]:
            raise ValueError("dynamic_batch with inline_weights_to_neff=False is not supported")
    return _mark(neuron_script, "dynamic_batch", 0)


def lazy_load(trace, enable_lazy_load=True):
    return _mark(trace, "lazy_load", 1) if enable_lazy_load else trace


def async_load(trace, enable_async_load=True):
    return _mark(trace, "async_load", 2) if enable_async_load else trace


class Loaded:
    """A model on a device."""

    def __init__(self, module) -> None:
        self.module = module
        buffers = dict(module.named_buffers())
        self.flags = buffers["flags"].tolist()
        self.on_device = None
        node = next(node for node in module.inlined_graph.nodes() if node.kind() == "neuron::forward_1")
        self.spec = json.loads(list(node.inputs())[4].toIValue())

    def __call__(self, *inputs):
        double.note(call="run", inputs=[list(tensor.shape) for tensor in inputs])
        batch = self.spec["inputs"][0][0][0] if self.spec["inputs"][0][0] else 0
        given = inputs[0].shape[0] if inputs[0].dim() else 0
        if not self.flags[0] or given == batch:
            return self.module(*inputs)
        for tensor, (shape, _) in zip(inputs, self.spec["inputs"]):
            if list(tensor.shape[1:]) != shape[1:]:
                raise ValueError("dynamic batching: only dimension 0 may change")
        return self._split(inputs, batch, given)

    def _split(self, inputs, batch, given):
        parts = []
        for start in range(0, given, batch):
            part = [tensor[start : start + batch] for tensor in inputs]
            lacking = batch - part[0].shape[0]
            padded = [torch.cat([t, t[:1].expand(lacking, *t.shape[1:])]) if lacking else t for t in part]
            result = self.module(*padded)
            parts.append(result if isinstance(result, tuple) else (result,))
        joined = tuple(torch.cat(each)[:given] for each in zip(*parts))
        return joined[0] if self.spec["single"] else joined

    def parameters(self):
        """The states, in the order in which they were marked."""
        return self.module.parameters()

    def eval(self):
        return self


def replace_weights(neuron_model, weights):
    state = weights.state_dict() if isinstance(weights, torch.nn.Module) else weights
    if not isinstance(neuron_model, Loaded):
        raise TypeError("replace_weights takes a traced model")
    spec = neuron_model.spec
    if spec["inline"]:
        warnings.warn("the weights of this model are inlined: nothing is replaced", UserWarning, stacklevel=2)
        return
    if sorted(state) != sorted(spec["weights"]):
        raise ValueError(f"replace_weights: {sorted(set(state) ^ set(spec['weights']))[:3]} don't match")
    buffers = dict(neuron_model.module.named_buffers())
    for index, name in enumerate(spec["weights"]):
        if buffers[f"weight_{index}"].shape != state[name].shape or buffers[f"weight_{index}"].dtype != state[name].dtype:
            raise ValueError(f"replace_weights: {name} has another shape or dtype")
        buffers[f"weight_{index}"].copy_(state[name])
    double.note(call="replace_weights")


def move_trace_to_device(trace, device_id):
    if not isinstance(trace, Loaded):
        raise TypeError("move_trace_to_device takes a traced model")
    trace.on_device = int(device_id)
    double.note(call="move_trace_to_device", device=int(device_id))


def set_neuron_cores(trace, start_nc=-1, nc_count=-1):
    double.require_device()
    if nc_count == 0 or nc_count < -1:
        raise ValueError(f"bad core count {nc_count}")
    double.note(call="set_neuron_cores", start=start_nc, count=nc_count)


_REAL_LOAD, _REAL_SAVE = torch.jit.load, torch.jit.save


def _load(file, *args, **kwargs):
    """Loading puts a model on a NeuronCore at once."""
    module = _REAL_LOAD(file, *args, **kwargs)
    if "neff" not in dict(module.named_buffers()):
        return module
    double.require_device()
    if double.settings().get("runtime") == "old":
        raise RuntimeError("NEFF version: 2.0, features: 0x100 are not supported. Could not load the model status=10")
    double.note(call="load", file=str(file))
    return Loaded(module)


def _save(module, file, *args, **kwargs):
    name = double.act("save")
    if name == "disk":
        pathlib.Path(file).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")
    if id(module) in _CALLS:
        _CALLS[id(module)]["done"].add("save")
    result = _REAL_SAVE(module, file, *args, **kwargs)
    if name == "short":
        data = pathlib.Path(file).read_bytes()
        pathlib.Path(file).write_bytes(data[: len(data) // 2])
    return result


if getattr(torch.jit.load, "__module__", "") != __name__:
    torch.jit.load, torch.jit.save = _load, _save

if double.settings().get("lineage") == "native":
    del trace

__all__ = [name for name, value in list(globals().items()) if inspect.isfunction(value) and not name.startswith("_")]
