"""The graph of sentence embeddings: a transformer, and the modules of sentence-transformers that follow it.

Pooling follows sentence_transformers/sentence_transformer/modules/pooling.py of version 6.2: padding may be on either side.
"""

from __future__ import annotations

import torch

from . import heads
from .graph import MASK, Graph, Named

POOLED = "pooling_mask"
PROMPT = 2
"""Tokens at the beginning of the example inputs that are pooled in no row, where prompts are left out."""


class SentenceGraph(Graph):
    """A model of token embeddings, and what is made of them."""

    def run(self, given: Named) -> Named:
        """Embeddings of tokens and sentences."""
        pooled = given.pop(POOLED, given[MASK])
        tokens = self.model(**given, return_dict=True)["last_hidden_state"]
        return {"token_embeddings": tokens, "sentence_embedding": self._sentences(tokens, given[MASK], pooled)}

    def reference(self, given: Named) -> Named:
        """Each sentence is made by itself, of its own tokens alone: padding can't count there."""
        found = super().reference(given)
        rows = zip(found["token_embeddings"], given[MASK] > 0, given.get(POOLED, given[MASK]))
        made = [self._sentences(tokens[own][None], own[own][None], pooled[own][None]) for tokens, own, pooled in rows]
        return {**found, "sentence_embedding": torch.cat(made)}

    def _sentences(self, tokens: torch.Tensor, mask: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        """Embeddings (batch, width) of the embeddings (batch, tokens, hidden) of tokens."""
        sentence = None
        for step in self.action["model"]["sentence_modules"]:
            if step["kind"] == "Pooling":
                sentence = torch.cat([pool(tokens, mask, pooled, mode) for mode in step["modes"]], dim=-1)
            elif step["kind"] in heads.KINDS:
                sentence = getattr(self.model, step["path"])(sentence)
            else:
                sentence = torch.nn.functional.normalize(sentence, p=2, dim=-1)
        return sentence

    def example(self, seed: int) -> tuple[torch.Tensor, ...]:
        """Seeded tensors; the first tokens of every row are those of a prompt."""
        given = dict(zip(self.input_names, super().example(seed)))
        return tuple(self.masked(given, given[MASK]).values())

    def masked(self, given: Named, mask: torch.Tensor) -> Named:
        """Inputs by name with another attention mask, and the tokens of a prompt after what it leaves out."""
        given = super().masked(given, mask)
        if POOLED in given:
            given[POOLED] = mask * (mask.cumsum(1) > (PROMPT if mask.shape[1] > PROMPT else 0))
        return given


def pool(tokens: torch.Tensor, mask: torch.Tensor, pooled: torch.Tensor, mode: str) -> torch.Tensor:
    """Sentence embeddings (batch, hidden) of token embeddings (batch, tokens, hidden).

    `mask` (batch, tokens) leaves padding out, `pooled` the tokens of a prompt as well.
    """
    if mode == "cls":
        return _take(tokens, first_of(pooled))
    if mode == "lasttoken":
        length = tokens.shape[1]
        reverse = pooled.flip(1)
        last = length - 1 - first_of(reverse)
        last = torch.where(pooled.sum(1) > 0, last, torch.zeros_like(last))
        return _take(tokens * pooled.unsqueeze(-1).to(tokens.dtype), last)
    if mode == "max":
        return tokens.masked_fill(pooled.unsqueeze(-1) == 0, float("-inf")).max(dim=1).values
    return _mean(tokens, mask, pooled, mode)


def _mean(tokens: torch.Tensor, mask: torch.Tensor, pooled: torch.Tensor, mode: str) -> torch.Tensor:
    """Sums are of float32 where tokens are of less. `weightedmean` counts from the first token that isn't padding."""
    wide = torch.float32 if tokens.dtype in (torch.float16, torch.bfloat16) else tokens.dtype
    weights = pooled.unsqueeze(-1).to(wide)
    if mode == "weightedmean":
        places = torch.arange(1, tokens.shape[1] + 1, dtype=wide, device=tokens.device).view(1, -1, 1)
        weights = weights * (places - first_of(mask).view(-1, 1, 1).to(wide))
    total = (tokens * weights).sum(1)
    count = weights.sum(1).clamp(min=1e-9)
    return (total / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count)).to(tokens.dtype)


def first_of(mask: torch.Tensor) -> torch.Tensor:
    """Where the first one of each row is (batch,); 0 where there is none."""
    return mask.to(torch.int32).argmax(dim=1)


def _take(tokens: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """One token of each row."""
    return tokens.gather(1, places.view(-1, 1, 1).expand(-1, 1, tokens.shape[-1])).squeeze(1)
