"""The cache of a decoder as tensors of fixed size that a graph is handed, and updates in place."""

from __future__ import annotations

import torch
import transformers
from transformers.cache_utils import Cache, StaticLayer

SELF = "self"


class SlotLayer(StaticLayer):
    """One layer's keys and values (rows, heads, slots, head size), written from the slot `start` on.

    transformers' own static layer allocates its tensors and counts for itself, and keeps a window of slots where attention
    slides; here all layers hold every slot, and the mask alone makes the window.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, start: torch.Tensor | int) -> None:
        super().__init__(keys.shape[2])
        self.keys, self.values, self.cumulative_length = keys, values, start
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def get_seq_length(self, *_: object) -> torch.Tensor | int:
        """How many slots come before the new tokens."""
        return self.cumulative_length

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write what is new, and give all slots: the mask leaves out those that hold nothing yet."""
        slots = torch.arange(key_states.shape[2], device=key_states.device) + self.cumulative_length
        self.keys.index_copy_(2, slots, key_states.to(self.keys.dtype))
        self.values.index_copy_(2, slots, value_states.to(self.values.dtype))
        return self.keys, self.values


def open_cache(given: dict[str, torch.Tensor], kind: str, start: torch.Tensor | int) -> Cache:
    """A cache over the states of one kind, which are among what a graph was given; it is filled up to the slot `start`."""
    tensors = [tensor for name, tensor in given.items() if name.partition(".")[0] == kind]
    return Cache(layers=[SlotLayer(keys, values, start) for keys, values in zip(tensors[::2], tensors[1::2])])


def names(kind: str, layers: int) -> list[str]:
    """Names of a cache's tensors, in the order of its layers."""
    return [f"{kind}.{index}.{part}" for index in range(layers) for part in ("keys", "values")]


def cache_layout(model: torch.nn.Module, rows: int, slots: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a decoder's keys and values by name, as one call of the model shows them."""
    seen = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        model(input_ids=torch.zeros((1, 1), dtype=torch.int64, device=model.device), past_key_values=seen, use_cache=True)
    tensors = [tensor for layer in seen.layers for tensor in (layer.keys, layer.values)]
    shapes = [(rows, tensor.shape[1], slots, tensor.shape[3]) for tensor in tensors]
    return dict(zip(names(SELF, len(seen.layers)), shapes))
