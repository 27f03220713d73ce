"""Where transformers' `generate()` asks a model for its cache, and what it asks of a model besides."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from transformers import GenerationMixin

from neuronbuild.counts import counted
from neuronbuild.errors import InputError
from neuronbuild.models.cache import DecoderCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from transformers import GenerationConfig
    from transformers.utils import ModelOutput

    from neuronbuild.runtime.sessions import Sessions


class CacheHooks(GenerationMixin, ABC):  # type: ignore[misc]  # lint knows no types of transformers
    """A model whose graphs keep the cache: transformers gets it before it computes anything, and hands it on."""

    sessions: Sessions
    _is_stateful: ClassVar[bool] = False

    def is_remote_code(self) -> bool:
        """Never: releases hold no Python code."""
        return False

    @contextlib.contextmanager
    def _optimize_model_for_decode(self) -> Iterator[None]:
        """What transformers changes in a model of its own while it decodes: nothing, here."""
        yield

    def _prepare_cache_for_generation(
        self,
        generation_config: GenerationConfig,
        model_kwargs: dict[str, Any],
        generation_mode: object,  # noqa: ARG002 (transformers' hook, as it is called)
        batch_size: int,
        max_cache_length: int,
    ) -> None:
        """Where transformers makes its cache, before it computes anything: one that has room for all that may come.

        Graphs always use theirs: what is generated is the same with and without. `use_cache=False` has no cache given back.
        """
        asked, own = generation_config.use_cache is not False, self._own_cache(model_kwargs.get("past_key_values"))
        if own is not None and (not asked or generation_config.cache_implementation is not None):
            raise InputError("past_key_values can't be given with use_cache=False or cache_implementation")
        generation_config.use_cache = True
        if own is None:
            rows = batch_size * rows_each(generation_config)
            model_kwargs["past_key_values"] = self._open_cache(model_kwargs, rows, max_cache_length + 1)
            model_kwargs["past_key_values"].asked = asked

    def _prefill(
        self,
        input_ids: torch.Tensor,
        generation_config: GenerationConfig,
        model_kwargs: dict[str, Any],
        **named: Any,  # noqa: ANN401
    ) -> ModelOutput:
        """Where transformers reads the prompt: a cache that was handed back must have room for all that may come."""
        cache = model_kwargs["past_key_values"]
        name = "decoder_attention_mask" if self.config.is_encoder_decoder else "attention_mask"
        read, mask = cache.get_seq_length(), model_kwargs.get(name)
        length = getattr(generation_config, "_mask_length", -1) if mask is None else mask.shape[1]
        whole = length == input_ids.shape[1]  # as transformers tells whole sequences from their new tokens
        if read and whole and input_ids.shape[1] <= read:
            hint = "give whole sequences, or new tokens with an attention_mask over all"
            raise InputError(
                f"past_key_values hold {counted(read, 'token')} a sequence, as many as were given or more", hint=hint
            )
        cache.reserve(generation_config.max_length - 1 + (0 if whole else read))
        return super()._prefill(input_ids, generation_config, model_kwargs, **named)

    def _own_cache(self, cache: Any) -> DecoderCache[Any] | None:  # noqa: ANN401 (whatever was given)
        """A cache of this very model, or none.

        Raises:
            InputError: it is another's.
        """
        if cache is not None and (not isinstance(cache, DecoderCache) or cache.decoder.sessions is not self.sessions):
            hint = "give what this very model gave, or leave past_key_values out"
            raise InputError(f"past_key_values are not of this model: {type(cache).__name__}", hint=hint)
        return cache

    @abstractmethod
    def _open_cache(self, model_kwargs: dict[str, Any], rows: int, slots: int) -> DecoderCache[Any]:
        """An empty cache.

        Raises:
            ShapeError: no compiled shape has room for so many sequences of so many tokens.
        """

    def _gives_cache(self, use_cache: bool | None) -> bool:  # noqa: FBT001 (transformers' own)
        """Whether a call gives its cache back: as its config says, where the call doesn't."""
        return bool(getattr(self.config, "use_cache", True) if use_cache is None else use_cache)


def _refused(name: str) -> Any:  # noqa: ANN401 (a method, for whatever arguments)
    def method(*_: object, **__: object) -> NoReturn:
        raise InputError(f"{name} is not supported by compiled models", hint="call generate() for one batch after the other")

    return method


for _base in GenerationMixin.__bases__:  # generation of many requests at once, with caches of transformers' own
    for _name in vars(_base):
        if not _name.startswith("_"):
            setattr(CacheHooks, _name, _refused(_name))


def rows_each(config: GenerationConfig) -> int:
    """Rows of the cache that each prompt takes."""
    return max(config.num_beams or 1, config.num_return_sequences or 1)
