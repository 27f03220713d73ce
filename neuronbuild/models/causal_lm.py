"""Text generation: what a decoder is given, call by call, as the graphs take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from neuronbuild.counts import counted
from neuronbuild.errors import InputError
from neuronbuild.models.cache import DecoderCache
from neuronbuild.models.generation import GenerativeModel, refuse_no_tensor
from neuronbuild.runtime.decoder import open_decoder

if TYPE_CHECKING:
    from transformers import GenerationConfig
    from transformers.utils import ModelOutput

    from neuronbuild.runtime.decoder import Decoder


@final
class NeuronModelForCausalLM(GenerativeModel):
    """Text generation: `generate()` as transformers has it, over graphs with a cache of fixed size."""

    task: ClassVar[str] = "text-generation"
    main_input_name: ClassVar[str] = "input_ids"

    def forward(  # noqa: PLR0913 (transformers' own)
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: DecoderCache[Decoder] | None = None,
        *,
        return_dict: bool = True,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **others: object,
    ) -> CausalLMOutputWithPast:
        """Read tokens, and score what may follow them: `logits` float32 of shape (batch, tokens, vocabulary).

        Args:
            input_ids: int64 of shape (batch, tokens), without those that `past_key_values` holds already.
            attention_mask: ones for tokens, of shape (batch, tokens read before and now). Default: all ones.
            position_ids: int64 of shape (batch, tokens). Default: they go on from what was read before.
            past_key_values: what an earlier call gave; by default nothing was read before.
            return_dict: only true.
            use_cache: whether a cache is given back. Default: as the config says.
            logits_to_keep: of how many tokens, counted from the last, scores are wanted; 0 for all. Each but one takes a
                call of its own.
            others: nothing that says anything.

        Raises:
            InputError: inputs aren't this model's, or don't fit each other.
            ShapeError: more sequences or tokens than any compiled shape has room for.
            UsageError: an argument is unknown.
        """
        self.refuse_unknown("forward", others)
        if return_dict is False:
            raise InputError("return_dict=False is not supported", hint="use .to_tuple() on the output")
        ids = self._checked(input_ids, "input_ids")
        cache = self._own_cache(past_key_values)
        mask = _whole_mask(attention_mask, ids, 0 if cache is None else cache.get_seq_length())
        positions = self._positions(position_ids, ids, mask)
        if cache is None:
            cache = self._open_cache({}, len(ids), ids.shape[1])
        cache.reserve(mask.shape[1])
        logits = cache.decoder.read(ids, mask, positions, _kept(logits_to_keep, ids.shape[1]))
        return CausalLMOutputWithPast(logits=logits, past_key_values=cache if self._gives_cache(use_cache) else None)

    __call__ = forward

    def _positions(self, given: torch.Tensor | None, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Positions (batch, tokens) that the graphs can read."""
        if given is None:
            if not self._turns_positions() and not bool(mask.all()):
                hint = "position_ids = (attention_mask.cumsum(-1) - 1).clamp(min=0), as generate() has them"
                raise InputError("an attention_mask that leaves tokens out needs position_ids beside it", hint=hint)
            given = torch.arange(mask.shape[1] - ids.shape[1], mask.shape[1])[None]
        refuse_no_tensor("position_ids", given)
        if given.is_floating_point() or given.dim() != 2 or given.shape not in {(1, ids.shape[1]), tuple(ids.shape)}:  # noqa: PLR2004
            raise InputError(f"position_ids must be integers of shape {list(ids.shape)}, not {list(given.shape)}")
        self._refuse_far(int(given.min()), int(given.max()))
        return given.to(torch.int64).expand(ids.shape)

    def _refuse_far(self, lowest: int, highest: int) -> None:
        """Refuse positions outside the model's table, and those from which on its rotary embeddings would be others."""
        limit = self.buckets[0].limits.get("position_ids")
        if lowest < 0 or (limit is not None and highest >= limit):
            known = "from 0 on" if limit is None else f"from 0 to {limit - 1}"
            raise InputError(
                f"position_ids reach {lowest if lowest < 0 else highest}; this model is compiled for those {known}"
            )

    def _turns_positions(self) -> bool:
        """Whether only the distance of two tokens counts (rotary embeddings), so that it's all one where positions begin."""
        return any(getattr(self.config, name, None) is not None for name in ("rope_parameters", "rope_theta"))

    def _prefill(
        self,
        input_ids: torch.Tensor,
        generation_config: GenerationConfig,
        model_kwargs: dict[str, Any],
        **named: Any,  # noqa: ANN401
    ) -> ModelOutput:
        """Positions go on from those that were given: those that would lead too far are refused before anything is computed."""
        following = max(0, generation_config.max_length - input_ids.shape[1] - 1)
        for last in model_kwargs["position_ids"][..., -1].flatten().tolist():
            self._refuse_far(0, last + following)
        return super()._prefill(input_ids, generation_config, model_kwargs, **named)

    def _open_cache(self, model_kwargs: dict[str, Any], rows: int, slots: int) -> DecoderCache[Decoder]:  # noqa: ARG002
        """In the cheapest shape that has room."""
        return DecoderCache(open_decoder(self.sessions, self.buckets, rows, slots))


def _whole_mask(mask: torch.Tensor | None, ids: torch.Tensor, read: int) -> torch.Tensor:
    """Which tokens may be looked at, as ones (batch, read + new)."""
    shape = (len(ids), read + ids.shape[1])
    if mask is None:
        return torch.ones(shape, dtype=torch.int64)
    refuse_no_tensor("attention_mask", mask)
    if tuple(mask.shape) != shape:
        told = f", for {counted(read, 'token')} read before and {counted(ids.shape[1], 'new one')}" if read else ""
        raise InputError(f"attention_mask has shape {list(mask.shape)}; it must have {list(shape)}{told}")
    return (mask != 0).to(torch.int64)


def _kept(logits: object, tokens: int) -> int:
    """How many tokens are scored."""
    if not isinstance(logits, int) or logits < 0:
        raise InputError(f"logits_to_keep must be a number of tokens, not {logits!r}")
    return min(logits or tokens, tokens)
