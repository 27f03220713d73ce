"""`generate()` over compiled graphs: transformers chooses tokens, the graphs score them."""

from __future__ import annotations

import contextlib
import functools
import inspect
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from neuronbuild.errors import InputError, UsageError
from neuronbuild.models.base import NeuronModel
from neuronbuild.recipe.schema import unknown_word
from neuronbuild.runtime.decoder import Conversation, Decoder, open_decoder
from neuronbuild.runtime.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.runtime.reader import ReleaseFolder


Kind = TypeVar("Kind", bound=Conversation)


@final
class DecoderCache(Cache, Generic[Kind]):  # type: ignore[misc]  # lint knows no types of transformers
    """A decoder's cache, as transformers hands it from step to step. It holds no layers: the graphs keep them."""

    def __init__(self, decoder: Kind) -> None:
        super().__init__(layers=[])
        self.decoder = decoder

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 (transformers passes it)
        """Tokens a row that were read."""
        return self.decoder.length

    def get_max_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        """Tokens a row that there is room for."""
        return self.decoder.slots

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Have each beam continue the one that it was made from."""
        self.decoder.reorder(beam_idx)


class GenerativeModel(NeuronModel, GenerationMixin):  # type: ignore[misc]  # as above
    """A model that generates tokens. Calls from several threads have a cache each."""

    base_model_prefix: ClassVar[str] = "model"
    _is_stateful: ClassVar[bool] = False

    def __init__(self, release: ReleaseFolder) -> None:
        super().__init__(release)
        self.sessions = Sessions(release)
        self.buckets = release.buckets

    def warm(self) -> None:
        """Open every compiled graph and run it once."""
        self.sessions.warm()

    @functools.cached_property
    def generation_config(self) -> GenerationConfig:
        """The model's `generation_config.json`; what it lacks is as its config says."""
        try:
            return GenerationConfig.from_pretrained(self._release.folder, local_files_only=True)
        except OSError:
            return GenerationConfig.from_model_config(self.config)

    @contextlib.contextmanager
    def _optimize_model_for_decode(self) -> Iterator[None]:
        """What transformers changes in a model of its own while it decodes: nothing, here."""
        yield

    def can_generate(self) -> bool:
        """Always."""
        return True

    def is_remote_code(self) -> bool:
        """Never: releases hold no Python code."""
        return False

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        """Where transformers looks at arguments that are none of its own: refuse those that no graph takes."""
        known = inspect.signature(self.forward).parameters
        for name, value in model_kwargs.items():
            if value is not None and name not in known:
                words = [*known, *self.generation_config.to_dict(), "streamer", "logits_processor", "stopping_criteria"]
                raise UsageError(f"generate: {unknown_word('argument', name, words)}")

    def _prepare_cache_for_generation(
        self,
        generation_config: GenerationConfig,
        model_kwargs: dict[str, Any],
        generation_mode: object,  # noqa: ARG002 (transformers' hook, as it is called)
        batch_size: int,
        max_cache_length: int,
    ) -> None:
        """Where transformers makes its cache, before it computes anything: one that has room for all that may come."""
        if model_kwargs.get("past_key_values") is None:
            rows = batch_size * rows_each(generation_config)
            model_kwargs["past_key_values"] = self._open_cache(model_kwargs, rows, max_cache_length + 1)

    @abstractmethod
    def _open_cache(self, model_kwargs: dict[str, Any], rows: int, slots: int) -> DecoderCache[Any]:
        """An empty cache.

        Raises:
            ShapeError: no compiled shape has room for so many sequences of so many tokens.
        """

    def _checked(self, ids: torch.Tensor, name: str) -> torch.Tensor:
        """An id outside its table would end the whole process: compiled loops run in threads that can't throw."""
        limit = self.buckets[0].limits.get("input_ids")
        if not isinstance(ids, torch.Tensor) or ids.dim() != 2 or ids.is_floating_point() or 0 in ids.shape:  # noqa: PLR2004
            shown = list(ids.shape) if isinstance(ids, torch.Tensor) else type(ids).__name__
            raise InputError(f"{name} must be integers of shape (batch, tokens), not {shown}")
        if limit is not None and (int(ids.min()) < 0 or int(ids.max()) >= limit):
            raise InputError(f"{name} hold an id outside 0 to {limit - 1}", hint="use the tokenizer that the release carries")
        return ids.to(torch.int64)


@final
class NeuronModelForCausalLM(GenerativeModel):
    """Text generation: `generate()` as transformers has it, over graphs with a cache of fixed size.

    Prompts may be padded on either side.
    """

    task: ClassVar[str] = "text-generation"
    main_input_name: ClassVar[str] = "input_ids"

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: DecoderCache[Decoder] | None = None,
        *,
        return_dict: bool = True,
        use_cache: bool = True,
    ) -> CausalLMOutputWithPast:
        """Read tokens, and score what may follow the last: `logits` float32 of shape (batch, 1, vocabulary).

        Args:
            input_ids: int64 of shape (batch, tokens), without those that `past_key_values` holds already.
            attention_mask: ones for tokens, of shape (batch, tokens) or with those before too. Default: all ones.
            past_key_values: what an earlier call gave; by default nothing was read before.
            return_dict: only true.
            use_cache: only true: the graphs know no other way.

        Raises:
            InputError: the ids aren't ids of this model.
            ShapeError: more sequences or tokens than any compiled shape has room for.
        """
        if not return_dict or not use_cache:
            raise InputError("return_dict=False and use_cache=False are not supported: the graphs always use their cache")
        ids = self._checked(input_ids, "input_ids")
        cache = past_key_values
        if cache is None:
            cache = DecoderCache(open_decoder(self.sessions, self.buckets, len(ids), ids.shape[1]))
        mask = torch.ones_like(ids) if attention_mask is None else attention_mask[:, -ids.shape[1] :].to(torch.int64)
        logits = cache.decoder.read(*pad_left(ids, mask))
        return CausalLMOutputWithPast(logits=logits[:, None], past_key_values=cache)

    __call__ = forward

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        next_sequence_length: int | None = None,
        past_key_values: DecoderCache[Decoder] | None = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: object,  # noqa: ARG002 (by this name transformers lets `forward`'s arguments through)
    ) -> dict[str, Any]:
        """What `forward` takes: the tokens that the cache hasn't got yet."""
        ids = input_ids if next_sequence_length is None else input_ids[:, -next_sequence_length:]
        return {"input_ids": ids, "attention_mask": attention_mask, "past_key_values": past_key_values}

    def _open_cache(self, model_kwargs: dict[str, Any], rows: int, slots: int) -> DecoderCache[Decoder]:  # noqa: ARG002
        """In the cheapest shape that has room."""
        return DecoderCache(open_decoder(self.sessions, self.buckets, rows, slots))


def rows_each(config: GenerationConfig) -> int:
    """Rows of the cache that each prompt takes."""
    return max(config.num_beams or 1, config.num_return_sequences or 1)


def pad_left(ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Move padding that stands after a row's tokens before them: all rows must end at one slot."""
    if bool(mask[:, -1].all()):
        return ids, mask
    order = mask.argsort(dim=1, stable=True)
    return ids.gather(1, order), mask.gather(1, order)
