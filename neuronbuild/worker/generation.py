"""Graphs of text generation: `prefill` reads a chunk of a prompt into the cache, `decode` one token a row.

Both are the same function of tokens, their positions, the slots of the cache that may be looked at, and the cache.
"""

from __future__ import annotations

import torch

from . import caches, graph, masks

CHUNK = 3
"""Slots of the example inputs that hold something already, so that a graph that ignored the cache would show in the check."""


class CausalGraph(graph.Graph):
    """A decoder with its cache apart: logits (rows, vocabulary) of what may follow."""

    def __init__(self, model: torch.nn.Module, action: dict) -> None:
        super().__init__(model, action)
        ids, mask = (entry["shape"] for entry in action["inputs"][:2])
        self.states = caches.cache_layout(model, ids[0], mask[1])
        self.dtype = graph.weight_dtype(action)

    def run(self, given: dict) -> dict:
        """Scores, and the cache updated."""
        mask, start, length = given["attention_mask"], given["cache_start"], given["input_ids"].shape[1]
        more = {}
        if masks.written_out(self.action):
            mask = masks.causal(self.model.config, mask, start, length, self.dtype)
            more = masks.positions(self.model, start, length)
        out = self.model(
            input_ids=given["input_ids"],
            attention_mask=mask,
            position_ids=given["position_ids"],
            **more,
            past_key_values=caches.open_cache(given, caches.SELF, given["cache_start"]),
            use_cache=True,
            logits_to_keep=given.get("last_token", 1),
            return_dict=True,
        )
        return {"logits": out.logits[:, 0]}

    def example(self, seed: int) -> tuple:
        """Tokens amid a sequence: the last row is padded on the left, and the chunk isn't full where it can be less."""
        generator = torch.Generator().manual_seed(seed)
        batch, length = self.action["inputs"][0]["shape"]
        slots = self.action["inputs"][1]["shape"][1]
        start, read = min(CHUNK, slots - length), max(1, length - 2)
        mask = torch.zeros((batch, slots), dtype=torch.int64)
        mask[:, : start + read] = 1
        mask[-1, : min(2, start + read - 1)] = 0
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, start : start + length].contiguous()
        vocabulary = graph.vocabulary(self.action["model"]["config"])
        ids = torch.randint(min(5, vocabulary - 1), vocabulary, (batch, length), generator=generator)
        given = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "cache_start": torch.tensor([start]),
            "last_token": torch.tensor([read - 1]),
        }
        states = [0.5 * torch.randn(shape, generator=generator) for shape in self.states.values()]
        return (*(given[name] for name in self.input_names), *(state.to(self.dtype) for state in states))
