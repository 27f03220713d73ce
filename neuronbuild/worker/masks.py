"""Masks of a decoder's attention over a cache of fixed size, written out: added to scores before the softmax.

transformers makes them itself where it can; what it does for that (batched maps, lengths read from a cache's contents) a
trace can't follow in every version. A mask of four dimensions it takes as it is.
"""

from __future__ import annotations

import inspect

import torch

from .contract import Action


def written_out(action: Action) -> bool:
    """Whether a toolchain's tracer needs it so: Inductor's export doesn't."""
    return action["toolchain"]["name"] != "inductor"


def causal(
    config: object, mask: torch.Tensor, start: torch.Tensor, length: int, dtype: torch.dtype
) -> torch.Tensor | dict[str, torch.Tensor]:
    """What each of `length` tokens from slot `start` on may look at, as (rows, 1, length, slots).

    One mask, or one for each kind of layer where the config names kinds. `mask` (rows, slots) has ones for tokens.
    """
    slots = torch.arange(mask.shape[1], device=mask.device)
    tokens = start + torch.arange(length, device=mask.device)
    seen = (slots[None, :] <= tokens[:, None])[None, None] & (mask[:, None, None, :] > 0)
    window = getattr(config, "sliding_window", None)
    near = seen & (slots[None, :] > tokens[:, None] - window)[None, None] if window else seen
    if getattr(config, "layer_types", None):
        return {"full_attention": _added(seen, dtype), "sliding_attention": _added(near, dtype)}
    return _added(near, dtype)


def _added(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)


def positions(model: torch.nn.Module, start: torch.Tensor, length: int) -> dict[str, torch.Tensor]:
    """The slots of new tokens, for versions of transformers that ask for them."""
    if "cache_position" not in inspect.signature(model.forward).parameters:
        return {}
    return {"cache_position": start + torch.arange(length, device=start.device)}
