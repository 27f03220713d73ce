"""Matrix products and attention, written in the forms that are fastest on a CPU.

A decode step reads every weight once for each token, and is bound by that. For one row over 530 MB of weights, the library
that `linear` calls read 8 GB/s here, and the compiler's own code for a product and a sum 34 GB/s, near what plain reading
gives (two cores, AVX-512, float32). Attention of one token over 512 slots took the library 29 µs a layer and 220 µs in bf16,
the compiler's own code 21 µs in both.

Of two libraries for products of many rows in float32, `linear` calls the one that holds back on processors not of its maker:
there the other took half the time (SmolLM2-135M's products: 22 ms for 39 at 16 rows, 126 for 266 at 256).
"""

from __future__ import annotations

import torch
import torch._inductor.inductor_prims  # registers the operator that `_keep` calls
from torch.nn import functional

from .forms import Forms

MOST_ROWS = 4
"""More rows than these, and blocked products win: each row of ours reads the weights from the processor's cache again."""


class FastForms(Forms):
    """Where a graph is exported, writes its products and attention in other forms of the same meaning.

    Not for running: eagerly, that of few rows takes memory for every product.
    """

    def __init__(self) -> None:
        super().__init__({functional.linear: self.linear, functional.scaled_dot_product_attention: self.attention})
        self._kept: dict[tuple[int, int, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}

    def linear(self, tensor: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor | None:
        """(…, in) to (…, out); `None` where it is best as it is."""
        cast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
        if tensor.numel() <= MOST_ROWS * weight.shape[1]:
            out = (self._keep(tensor, cast).unsqueeze(-2) * weight.to(cast)).sum(-1)
            return out if bias is None else out + bias
        if tensor.dtype == weight.dtype == cast == torch.float32:
            return torch.ops.mkldnn._linear_pointwise(tensor, weight, bias, "none", [], "")
        return None

    def attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        *more: object,
        scale: float | None = None,
        **named: object,
    ) -> torch.Tensor | None:
        """One token a row: (rows, heads, 1, size) to the same; `None` where it is best as it is.

        Arguments as torch.nn.functional.scaled_dot_product_attention has them; sums are in float32.
        """
        if query.shape[-2] != 1 or query.shape[0] > MOST_ROWS or any(more) or any(named.values()):
            return None
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        scores = (self._keep(query, torch.float32) * key.float()).sum(-1) * scale
        if attn_mask is not None:
            mask = attn_mask.expand(*scores.shape[:-1], 1, scores.shape[-1]).squeeze(-2)
            lowest = torch.finfo(scores.dtype).min
            scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
        shares = scores.softmax(-1).unsqueeze(-1)
        return (shares * value.float()).sum(-2, keepdim=True).to(query.dtype)

    def _keep(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The tensor, computed once: otherwise the compiler computes it again for each output that it goes into.

        Products of one tensor share it, which lets the compiler walk their weights in one loop.
        """
        key = id(tensor), tensor._version, dtype
        if key not in self._kept:
            plain = tensor.to(dtype).contiguous()
            # the tensor itself is held too, lest another gets its id
            self._kept[key] = tensor, torch.ops.prims.inductor_force_stride_order(plain, plain.stride())
        return self._kept[key][1]
