"""What torch-xla refuses while it lowers a module: tensors of two devices in one operator, and values that are read.

Stands for `RuntimeError: Expected XLA tensor. Got: torch.LongTensor`, and for `.item()`, which torch-xla answers by stopping
in mid-trace. The module runs once on torch's device without data, `meta`.
"""

from __future__ import annotations

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MOVES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default, torch.ops.aten.index.Tensor}
"""Operators that take tensors of two devices in torch-xla as well: copies, and an index by a constant of the host."""


class OneDevice(TorchDispatchMode):
    """Refuses operators on tensors of two devices; plain numbers may come from anywhere."""

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor) and each.dim()]
        if len({tensor.device.type for tensor in tensors}) > 1 and function not in MOVES:
            kind = next(tensor for tensor in tensors if tensor.device.type != "meta").type()
            raise RuntimeError(f"Expected XLA tensor. Got: {kind} (in {function})")
        return function(*args, **(kwargs or {}))


def refuse_mixed_devices(module, inputs) -> None:
    """Run a module on tensors without data.

    Raises:
        RuntimeError: as torch-xla would, or because a value was asked for.
    """
    given = tuple(tensor.to("meta") for tensor in inputs)
    with on(module, "meta"), OneDevice():
        try:
            module(*given)
        except (RuntimeError, NotImplementedError):
            with _said_to_be_traced():  # newer versions of transformers look at values where they aren't
                module(*given)


@contextlib.contextmanager
def _said_to_be_traced():
    is_tracing = torch.jit.is_tracing
    torch.jit.is_tracing = lambda: True
    try:
        yield
    finally:
        torch.jit.is_tracing = is_tracing


@contextlib.contextmanager
def on(module, device):
    """For a while, have a module's parameters and buffers on another device; what two modules share, they share there."""
    parts = module.modules() if isinstance(module, torch.nn.Module) else ()
    tables = [table for part in parts for table in (part._parameters, part._buffers)]
    before, moved = [dict(table) for table in tables], {}
    for table in tables:
        for name, tensor in table.items():
            if tensor is not None:
                if id(tensor) not in moved:
                    there = tensor.detach().to(device)
                    is_parameter = isinstance(tensor, torch.nn.Parameter)
                    moved[id(tensor)] = torch.nn.Parameter(there, requires_grad=False) if is_parameter else there
                table[name] = moved[id(tensor)]
    try:
        yield
    finally:
        for table, kept in zip(tables, before):
            table.update(kept)
