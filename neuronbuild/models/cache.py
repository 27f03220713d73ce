"""A decoder's cache, as transformers hands it from step to step and gives it back to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, final

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from neuronbuild.errors import InputError
from neuronbuild.runtime.conversation import Conversation

if TYPE_CHECKING:
    from neuronbuild.runtime.seq2seq import Answer

Kind = TypeVar("Kind", bound=Conversation)


class NoCacheError(InputError, AttributeError):
    """Something of transformers' caches that a compiled model's has not. `hasattr` and `getattr` take it as they should."""


@final
class DecoderCache(Generic[Kind]):
    """What transformers' `Cache` has, as far as the graphs' own tensors can have it. The rest of it is refused by name.

    `asked` says whether whoever generates wants it back: with `use_cache=False` they don't.
    """

    is_compileable = False

    def __init__(self, decoder: Kind, *, asked: bool = True) -> None:
        self.decoder = decoder
        self.asked = asked

    def __getattr__(self, name: str) -> NoReturn:
        raise NoCacheError(f"the cache of a compiled model has no {name}: its tensors are the graphs' own")

    def __deepcopy__(self, _: dict[int, Any]) -> DecoderCache[Kind]:
        """A cache apart, which says the same."""
        return DecoderCache(self.decoder.derive(torch.arange(self.batch_size), self.decoder.slots), asked=self.asked)

    @property
    def batch_size(self) -> int:
        """Sequences that it holds."""
        return self.decoder.count

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 (transformers passes it)
        """Tokens a row that were read."""
        return self.decoder.length

    def get_max_length(self, layer_idx: int | None = None) -> int:  # noqa: ARG002
        """Tokens a row that there is room for."""
        return self.decoder.slots

    def reserve(self, slots: int) -> None:
        """Have room for so many tokens a row, those that were read included.

        Raises:
            ShapeError: no compiled shape is large enough.
        """
        if slots > self.decoder.slots:
            self.decoder = self.decoder.derive(torch.arange(self.batch_size), slots)

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Have each sequence continue the one that it was made from.

        Raises:
            InputError: these aren't sequences of the cache, one for each.
        """
        self.decoder.reorder(beam_idx)

    def crop(self, tokens_to_remove: int) -> None:
        """Take back the last tokens: transformers counts them below zero.

        Raises:
            InputError: a number above zero, or more tokens than were read.
        """
        self.decoder.forget(-tokens_to_remove)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Hold each sequence so many times.

        Raises:
            ShapeError: no compiled shape has room for so many.
        """
        self.batch_select_indices(torch.arange(self.batch_size).repeat_interleave(repeats))

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Hold the sequences with these numbers, and no others.

        Raises:
            InputError: there are no such sequences.
            ShapeError: no compiled shape has room for so many.
        """
        self.decoder = self.decoder.derive(indices, self.decoder.slots)


def export_cache(answer: Answer) -> EncoderDecoderCache:
    """What a decoder's cache holds, as transformers' own class."""
    caches = {"self": DynamicCache(), "cross": DynamicCache()}
    pending: dict[str, torch.Tensor] = {}
    for name, tensor in answer.export().items():
        kind, layer, part = name.split(".")
        pending[part] = tensor
        if part == "values":
            caches[kind].update(pending["keys"], pending["values"], int(layer))
    return EncoderDecoderCache(caches["self"], caches["cross"])
