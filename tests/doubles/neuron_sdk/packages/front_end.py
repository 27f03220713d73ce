"""The part of the SDK that isn't a double where torch-xla is installed: from a module to the HLO that neuronx-cc reads.

Where it isn't, a graph that torch.jit traced stands for the HLO, and `one_device` refuses what torch-xla would.
"""

from __future__ import annotations

import importlib.util
import os

import one_device
import torch

HELD = "aten::"
"""How counters of operators begin that torch-xla has no lowering for: it computes them on the host."""


def is_real() -> bool:
    """Whether torch-xla is installed, and not the package of the same name beside this file, which has nothing in it."""
    return importlib.util.find_spec("torch_xla._internal") is not None


def lower(module, inputs) -> bytes:
    """The HLO module of a function of tensors, as torch-xla writes it.

    Raises:
        RuntimeError: torch-xla can't lower it, or has computed an operator on the host, whose result would be a constant.
    """
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    import torch_xla
    from torch_xla.debug import metrics

    device = torch_xla.device()
    given = tuple(tensor.to(device) for tensor in inputs)
    with one_device.on(module, device):
        torch_xla.sync()
        metrics.clear_counters()
        outputs = flat(module(*given))
        fallen = sorted(name for name in metrics.counter_names() if name.startswith(HELD))
        if fallen:
            raise RuntimeError(f"operators without a lowering are computed on the host: {', '.join(fallen)}")
        pending = torch_xla._XLAC._check_tensor_need_materialization(outputs)
        computed = [tensor for tensor, is_pending in zip(outputs, pending) if is_pending]
        hlo = torch_xla._XLAC._get_xla_tensors_hlo_proto(computed)
        torch_xla._XLAC._clear_pending_irs(str(device))
    return hlo


def flat(outputs) -> list:
    """Tensors of nested tuples, in their order: what a graph itself gives."""
    return [outputs] if isinstance(outputs, torch.Tensor) else [tensor for each in outputs for tensor in flat(each)]
