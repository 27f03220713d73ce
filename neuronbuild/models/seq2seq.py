"""`generate()` over an encoder graph and a decoder graph: text to text. Speech to text has a module of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils import ModelOutput

from neuronbuild.errors import InputError
from neuronbuild.models.cache import DecoderCache
from neuronbuild.models.generation import GenerativeModel, refuse_no_tensor
from neuronbuild.models.hooks import rows_each
from neuronbuild.runtime.padding import pad_token
from neuronbuild.runtime.seq2seq import HIDDEN, OWN_ENCODER, Answer, encode, find_room, open_answer

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from neuronbuild.runtime.reader import ReleaseFolder


@final
class Encoder:
    """The encoder of a model, as transformers asks for it by `get_encoder()`.

    What it gives holds `last_hidden_state`, and all that the decoder reads of it, a row an input.
    """

    def __init__(self, model: Seq2SeqModel) -> None:
        self._model = model
        self.main_input_name = model.main_input_name

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        *,
        return_dict: bool | None = None,
        **others: object,
    ) -> ModelOutput:
        """Read inputs: `input_ids` int64 (batch, tokens) and their mask, or `input_features` float32 (batch, bins, frames).

        Raises:
            InputError: inputs are missing or of the wrong kind.
            ShapeError: they are longer than every compiled shape.
            UsageError: an argument is unknown.
        """
        refuse_tuples(return_dict)
        model = self._model
        model.refuse_unknown("encoder", others)
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "input_features": input_features}
        if self.main_input_name != "input_ids":
            del given["attention_mask"]  # speech is read whole: features are padded to 30 seconds by their extractor
        return ModelOutput(**encode(model.sessions, model.buckets, given, model.padding))

    __call__ = forward


@dataclass(frozen=True, slots=True)
class DecoderCall:
    """What the decoder is given by one call: its tokens and their mask, which inputs may be looked at, and its cache."""

    ids: torch.Tensor | None
    mask: torch.Tensor | None
    source_mask: torch.Tensor | None
    cache: DecoderCache[Answer] | None
    use_cache: bool | None
    return_dict: bool


class Seq2SeqModel(GenerativeModel):
    """A model with an encoder and a decoder."""

    def __init__(self, release: ReleaseFolder) -> None:
        super().__init__(release)
        self.padding = pad_token(release.folder)

    def get_encoder(self, modality: str | None = None) -> Encoder:  # noqa: ARG002 (transformers passes it)
        """What reads inputs."""
        return Encoder(self)

    def _answer(self, encoded: ModelOutput, call: DecoderCall) -> Seq2SeqLMOutput:
        """Read the decoder's tokens, and score what may follow each."""
        refuse_tuples(call.return_dict)
        if not isinstance(encoded, ModelOutput):
            raise InputError(f"encoder_outputs are a {type(encoded).__name__}", hint=OWN_ENCODER)
        if call.ids is None:  # transformers' own models differ in what they take then
            raise InputError("decoder_input_ids is missing", hint="begin with the config's decoder_start_token_id")
        cache, ids = self._own_cache(call.cache), self._checked(call.ids, "decoder_input_ids")
        if cache is None:
            cache = DecoderCache(open_answer(self.sessions, self.buckets, encoded, ids.shape[1]))
        read = cache.get_seq_length() + ids.shape[1]
        _refuse_padding(call.mask, len(ids), read)
        cache.reserve(read)
        return Seq2SeqLMOutput(
            logits=cache.decoder.read(ids, _source_mask(call.source_mask, cache.decoder)),
            past_key_values=cache if self._gives_cache(call.use_cache) else None,
            encoder_last_hidden_state=encoded.get(HIDDEN),
        )

    def _maybe_prepare_encoder_kwargs_for_generation(
        self,
        inputs_tensor: torch.Tensor,
        model_kwargs: dict[str, Any],
        model_input_name: str | None,
        generation_config: GenerationConfig,
    ) -> dict[str, Any]:
        """Where transformers has the encoder read: what no cache has room for is refused before."""
        if generation_config.prefill_chunk_size is not None:
            raise InputError("generate: prefill_chunk_size is not supported by models with an encoder")
        prompt, new = model_kwargs.get("decoder_input_ids"), generation_config.max_new_tokens
        read = 1 if prompt is None else prompt.shape[1]
        slots = (generation_config.max_length or 0) if new is None else read + new
        find_room(self.buckets, len(inputs_tensor) * rows_each(generation_config), slots)
        prepared: dict[str, Any] = super()._maybe_prepare_encoder_kwargs_for_generation(
            inputs_tensor, model_kwargs, model_input_name, generation_config
        )
        return prepared

    def _open_cache(self, model_kwargs: dict[str, Any], rows: int, slots: int) -> DecoderCache[Answer]:  # noqa: ARG002
        """Inputs come a row a beam by then."""
        return DecoderCache(open_answer(self.sessions, self.buckets, model_kwargs["encoder_outputs"], slots))


@final
class NeuronModelForSeq2SeqLM(Seq2SeqModel):
    """Text to text: `generate()` as transformers has it."""

    task: ClassVar[str] = "text2text-generation"
    main_input_name: ClassVar[str] = "input_ids"

    def forward(  # noqa: PLR0913 (transformers' own)
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: ModelOutput | None = None,
        past_key_values: DecoderCache[Answer] | None = None,
        *,
        return_dict: bool = True,
        use_cache: bool | None = None,
        **others: object,
    ) -> Seq2SeqLMOutput:
        """Read tokens, and score what may follow each: `logits` float32 of shape (batch, tokens, vocabulary).

        Args:
            input_ids: what the encoder reads, int64 of shape (batch, tokens).
            attention_mask: ones for tokens of the encoder's inputs. Default: all ones.
            decoder_input_ids: int64 of shape (batch, tokens), without those that `past_key_values` holds already.
            decoder_attention_mask: only ones.
            encoder_outputs: what `get_encoder()` gave for the inputs; by default they are encoded now.
            past_key_values: what an earlier call gave.
            return_dict: only true.
            use_cache: whether a cache is given back. Default: as the config says.
            others: nothing that says anything.

        Raises:
            InputError: inputs are missing, aren't this model's, or don't fit each other.
            ShapeError: more sequences or tokens than any compiled shape has room for.
            UsageError: an argument is unknown.
        """
        self.refuse_unknown("forward", others)
        encoded = encoder_outputs or self.get_encoder().forward(input_ids, attention_mask)
        call = DecoderCall(decoder_input_ids, decoder_attention_mask, attention_mask, past_key_values, use_cache, return_dict)
        return self._answer(encoded, call)

    __call__ = forward


def refuse_tuples(return_dict: bool | None) -> None:  # noqa: FBT001 (transformers' own)
    """Refuse `return_dict=False`.

    Raises:
        InputError: it is false.
    """
    if return_dict is False:
        raise InputError("return_dict=False is not supported", hint="use .to_tuple() on the output")


def _refuse_padding(mask: torch.Tensor | None, rows: int, tokens: int) -> None:
    """The decoder's graph looks at all tokens that it has read."""
    if mask is None:
        return
    refuse_no_tensor("decoder_attention_mask", mask)
    if tuple(mask.shape) != (rows, tokens) or not bool((mask != 0).all()):
        raise InputError(
            "decoder_attention_mask leaves tokens out, or is of another length than what was read: compiled decoders read all",
            hint="generate for inputs whose decoder tokens are of one length, or one by one",
        )


def _source_mask(mask: torch.Tensor | None, answer: Answer) -> torch.Tensor:
    if mask is None:
        return torch.ones((answer.count, answer.source), dtype=torch.int64)
    refuse_no_tensor("attention_mask", mask)
    return (mask != 0).to(torch.int64)
