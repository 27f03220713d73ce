"""What must be changed in a model of transformers before it can be traced, by model type."""

from __future__ import annotations

import functools

import torch


def mended(model: torch.nn.Module) -> torch.nn.Module:
    """The model, changed in place where its type needs it; what it computes stays the same."""
    mend = BY_TYPE.get(model.config.model_type)
    if mend is not None:
        mend(model)
    return model


def _forget_biases(model: torch.nn.Module) -> None:
    """LeViT keeps what it once looked up of its weights: a trace would hold it as a constant, and so would other weights."""
    for module in model.modules():
        if hasattr(module, "attention_bias_cache"):
            module.get_attention_biases = functools.partial(_look_up, module)


def _look_up(module: torch.nn.Module, *_: object) -> torch.Tensor:
    return module.attention_biases[:, module.attention_bias_idxs]


BY_TYPE = {"levit": _forget_biases}
