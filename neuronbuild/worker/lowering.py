"""Lower an action's graph with torch-xla, the front end of torch_neuronx, and look at what neuronx-cc would be handed.

No compiler and no device take part: `PJRT_DEVICE=CPU` lowers on any machine, and runs what it lowered. Weights are seeded
random numbers, so no checkpoint is needed. Like torch_neuronx, this lowers once a process.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import re
from collections.abc import Iterator

import torch
import torch_xla
import torch_xla.core.xla_model as xm

from . import graph, graph_classes, noise, places, probes, traced
from .contract import BakedTensor, Difference, Figures, LowerJob, LowerResult
from .errors import UserError, first_line
from .toolchain import Tensors

MODULE, TEXT = "graph.hlo", "graph.hlo.txt"
"""The module as neuronx-cc reads it, and as people do."""

OPERATION = re.compile(r"^\s*(?:ROOT )?%?[\w.-]+ = (?:\([^=]*?\)|\S+) ([\w-]+)\(", re.MULTILINE)
WIDE = re.compile(r"= f64\[")
NAMES = re.compile(r", metadata=\{[^}]*\}|%[\w.-]+|\b[A-Za-z_][\w-]*\.\d+|^HloModule [^,\n]*", re.MULTILINE)
"""What two lowerings of one graph may differ in: names of instructions and of the module, and where they came from."""


def lower(job: LowerJob) -> LowerResult:
    """What comes of lowering an action: what is wrong with the graph, and figures about it.

    With `keep` in the job, the module is left in the job's folder as bytes and as text.

    Raises:
        UserError: it doesn't lower; the message says what stops it, and where in the model.
    """
    action = job["action"]
    dtype = graph.weight_dtype(action)
    module = graph_classes.open_graph(graph.make_model(action, dtype), action)
    example = module.example(seed=0)
    with torch.no_grad():
        module(*(tensor.clone() for tensor in example))  # which outputs there are shows when it runs
        probe = list(module.probes(seed=1))[-1]
    lowered = Lowered(module, example, runs=True)
    other = Lowered(module, (*probe.calls[-1], *(state.to(dtype) for state in probe.states)))
    baked = lowered.taken_from(other, "example")
    if lowered.extra:
        noise.shake(module.model, noise.COMPARED)
        baked += [each for each in lowered.taken_from(Lowered(module, example), "weights") if each not in baked]
        noise.shake(module.model, noise.COMPARED, -1.0)
    check, differs = _compared(lowered, module, dtype)
    return {
        "files": lowered.keep(job["folder"]) if job.get("keep") else [],
        "baked": baked,
        "fallen": lowered.fallen,
        "same": lowered.outline == other.outline,
        "check": check,
        "differs": differs,
        **lowered.figures(),
    }


def _compared(lowered: Lowered, module: graph.Graph, dtype: torch.dtype) -> tuple[Difference, str]:
    """How far the lowered graph is from eager PyTorch, and what is too far."""
    try:
        return probes.check(lowered.call, module, dtype, "lowered"), ""
    except UserError as error:
        return {"max_abs_error": {}, "scale": {}}, str(error)


class Lowered:
    """A graph as torch-xla has it, from one example: its inputs and its states. It is compiled by XLA only if it is run."""

    def __init__(self, module: graph.Graph, example: Tensors, *, runs: bool = False) -> None:
        self._module = module
        held = traced.Stateful.around(module, example)
        names = {id(tensor): name for name, tensor in graph.all_constants(held).items()}
        with on_device(held) as moved, torch.no_grad():
            given = [tensor.to(torch_xla.device()) for tensor in example]
            inputs, states = given[: len(module.input_names)], list(held.states) if held is not module else []
            for state, tensor in zip(states, given[len(inputs) :]):
                state.data = tensor
            torch_xla.sync()
            xm.wait_device_ops()
            self._states = states
            self._fed = {_id(tensor): index for index, tensor in enumerate([*inputs, *states])}
            self._weights = {_id(there): (names[key], there) for key, there in moved.items() if _id(there) not in self._fed}
            self._trace(held, inputs)
            self._take([*module.output_names, *module.states], runs=runs)

    def _take(self, names: list[str], *, runs: bool) -> None:
        """What torch-xla has of the graph. It goes when the next one is traced, so all is asked for here."""
        pending = torch_xla._XLAC._check_tensor_need_materialization(self._outputs)
        computed = [tensor for tensor, is_pending in zip(self._outputs, pending) if is_pending]
        self._names = [name for name, is_pending in zip(names, pending) if is_pending]
        self.text = torch_xla._XLAC._get_xla_tensors_hlo(computed)
        self.proto = torch_xla._XLAC._get_xla_tensors_hlo_proto(computed)
        self.outline = NAMES.sub("", self.text)
        self._order, self._values = torch_xla._XLAC._get_tensors_xla_device_data_node(computed)
        self.extra = [value.cpu() for key, value in zip(self._order, self._values) if not self._is_known(key)]
        self._hash = torch_xla._XLAC._get_graph_hash(computed)
        if runs:
            torch_xla._XLAC._xla_warm_up_cache(computed, [])
        torch_xla._XLAC._clear_pending_irs(str(torch_xla.device()))

    def _trace(self, held: torch.nn.Module, inputs: list[torch.Tensor]) -> None:
        with places.watch(held) as watch:
            try:
                self._outputs = list(held(*inputs))
            except Exception as error:
                raise UserError(f"it doesn't lower: {first_line(error)}{watch.place(error)}") from error
        self.fallen = watch.fallen()

    def _is_known(self, key: int) -> bool:
        return key in self._fed or key in self._weights

    def taken_from(self, other: Lowered, what: str) -> list[BakedTensor]:
        """Tensors that the graph takes as given, and that the other lowering has with other values.

        They were computed before, and not in the graph. Each is described by what it was computed from, its dtype and shape.
        """
        if len(self.extra) != len(other.extra):
            differing = self.extra
        else:
            differing = [mine for mine, theirs in zip(self.extra, other.extra) if not torch.equal(mine, theirs)]
        specs = [traced.spec("", each) for each in differing]
        return [{"from": what, "dtype": spec["dtype"], "shape": spec["shape"]} for spec in specs]

    def call(self, tensors: Tensors) -> list[torch.Tensor]:
        """Run the lowered graph on other inputs and states: what was baked stays as it was. States are updated in place."""
        fed = [tensor.to(torch_xla.device()) for tensor in tensors]
        taken = [fed[self._fed[key]] if key in self._fed else value for key, value in zip(self._order, self._values)]
        results = torch_xla._XLAC._run_cached_graph(self._hash, taken)
        found = dict(zip(self._names, (tensor.cpu() for tensor in results)))
        for name, state in zip(self._module.states, tensors[len(self._module.input_names) :]):
            state.copy_(found.get(name, state))
        return [found[name] for name in self._module.output_names]

    def figures(self) -> Figures:
        """Operators and how often each is there, sizes in bytes, and what else is known of the module."""
        used = [self._weights[key] for key in self._order if key in self._weights]
        return {
            "operators": dict(sorted(collections.Counter(OPERATION.findall(self.text)).items())),
            "wide": len(WIDE.findall(self.text)),
            "digest": hashlib.sha256(self.outline.encode()).hexdigest(),
            "hlo_bytes": len(self.proto),
            "parameters": sum(tensor.numel() for _, tensor in used),
            "weight_bytes": sum(tensor.numel() * tensor.element_size() for _, tensor in used),
            "cache_bytes": sum(state.numel() * state.element_size() for state in self._states),
            "unused": sorted({name for name, _ in self._weights.values()} - {name for name, _ in used}),
        }

    def keep(self, folder: str) -> list[str]:
        """Write the module into a folder, as bytes and as text, and give the files' names."""
        with open(os.path.join(folder, MODULE), "wb") as file:
            file.write(self.proto)
        with open(os.path.join(folder, TEXT), "w", encoding="utf-8") as file:
            file.write(self.text)
        return [MODULE, TEXT]


@contextlib.contextmanager
def on_device(module: torch.nn.Module) -> Iterator[dict[int, torch.Tensor]]:
    """For a while, have a module's parameters and buffers on torch-xla's device: by their ids, what each is there.

    `Module.to` would make two of a parameter that two modules share.
    """
    tables = [table for part in module.modules() for table in (part._parameters, part._buffers)]
    before = [dict(table) for table in tables]
    moved: dict[int, torch.Tensor] = {}
    for table in tables:
        for name, tensor in table.items():
            if tensor is not None:
                if id(tensor) not in moved:
                    there = tensor.detach().to(torch_xla.device())
                    kind = isinstance(tensor, torch.nn.Parameter)
                    moved[id(tensor)] = torch.nn.Parameter(there, requires_grad=False) if kind else there
                table[name] = moved[id(tensor)]
    try:
        yield moved
    finally:
        for table, kept in zip(tables, before):
            table.update(kept)


def _id(tensor: torch.Tensor) -> int:
    return int(torch_xla._XLAC._xla_get_tensor_id(tensor))
