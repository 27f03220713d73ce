"""What must be changed in a model of transformers before it can be traced."""

from __future__ import annotations

import contextlib
import functools
import typing
from collections.abc import Iterator

import torch

Arguments = tuple[typing.Any, ...]
Named = dict[str, typing.Any]


def patched(model: torch.nn.Module) -> torch.nn.Module:
    """The model, changed in place where its type needs it; what it computes stays the same."""
    patch = BY_TYPE.get(model.config.model_type)
    if patch is not None:
        patch(model)
    return model


def _forget_biases(model: torch.nn.Module) -> None:
    """LeViT keeps what it once looked up of its weights: a trace would hold it as a constant, and so would other weights."""
    for module in model.modules():
        if hasattr(module, "attention_bias_cache"):
            module.get_attention_biases = functools.partial(_look_up, module)


def _look_up(module: torch.nn.Module, *_: object) -> torch.Tensor:
    return module.attention_biases[:, module.attention_bias_idxs]


def _state_lengths(model: torch.nn.Module) -> None:
    """XLM and FlauBERT look at tokens for the longest row's length, and do nothing with it where there is a mask.

    A trace can't look at values, so the length of all rows is stated. It stays on the host, where it may be looked at.
    """
    model.base_model.register_forward_pre_hook(_with_lengths, with_kwargs=True)


def _with_lengths(_: torch.nn.Module, given: Arguments, named: Named) -> tuple[Arguments, Named]:
    ids = given[0] if given else named.get("input_ids")
    if ids is None or named.get("attention_mask") is None or named.get("lengths") is not None:
        return given, named
    return given, {**named, "lengths": torch.full(ids.shape[:1], ids.shape[1], device="cpu")}


def _never_grow_tables(model: torch.nn.Module) -> None:
    """M2M100 makes its table of positions larger where it must, and looks at how many slots are filled for that.

    Where that is a tensor it can't be looked at, and the table is long enough: recipes with longer answers are refused.
    """
    for module in model.modules():
        if hasattr(module, "make_weights"):
            module.forward = functools.partial(_look_up_positions, module, module.forward)


def _look_up_positions(
    module: torch.nn.Module,
    forward: typing.Callable[..., torch.Tensor],
    input_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    past_key_values_length: torch.Tensor | int = 0,
) -> torch.Tensor:
    """Rows (batch, tokens, width) of the table: padding has one of its own, and the others count from there."""
    if input_ids is None or not torch.is_tensor(past_key_values_length):
        return forward(input_ids, inputs_embeds, past_key_values_length)
    tokens = input_ids.ne(module.padding_idx).long()
    rows = (tokens.cumsum(1) + past_key_values_length) * tokens + module.padding_idx
    return module.weights.index_select(0, rows.view(-1)).view(*input_ids.shape, -1)


def _allow_no_types(model: torch.nn.Module) -> None:
    """XLM and FlauBERT look token types up among the words, and no word says that there are none: a negative number does."""
    embeddings = model.base_model.embeddings
    embeddings.forward = functools.partial(_look_up_or_nothing, embeddings.forward)


def _look_up_or_nothing(look_up: typing.Callable[[torch.Tensor], torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    found = look_up(ids.clamp(min=0))
    return found * (ids >= 0).unsqueeze(-1).to(found.dtype)


def _patch_xlm(model: torch.nn.Module) -> None:
    _state_lengths(model)
    _allow_no_types(model)


BY_TYPE = {"flaubert": _patch_xlm, "levit": _forget_biases, "m2m_100": _never_grow_tables, "xlm": _patch_xlm}


CHANGING = ("dynamic", "longrope")
"""Types of rotary embeddings whose frequencies transformers chooses anew in each call, by the highest position in it
(`transformers.modeling_rope_utils.dynamic_rope_update`).
"""


@contextlib.contextmanager
def fixed_rotations(model: torch.nn.Module) -> Iterator[None]:
    """For a while, have rotary embeddings keep the frequencies that they were made with.

    Those are right for all positions that a graph may be compiled for: recipes with more are refused
    (`neuronbuild.tasks.rotations`). The choice in each call can't be traced, or would write into a constant. It is undone
    afterwards, so that the eager model still shows where the frequencies change.
    """
    changed = []
    for module in model.modules():
        kind = getattr(module, "rope_type", None)
        fixed = {name: _fixed(each) for name, each in kind.items()} if isinstance(kind, dict) else _fixed(kind)
        if fixed != kind:
            changed.append((module, kind))
            module.rope_type = fixed
    try:
        yield
    finally:
        for module, kind in changed:
            module.rope_type = kind


def _fixed(kind: object) -> object:
    return "default" if kind in CHANGING else kind
