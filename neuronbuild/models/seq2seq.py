"""`generate()` over an encoder graph and a decoder graph: text to text, and speech to text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.whisper.generation_whisper import WhisperGenerationMixin
from transformers.utils import ModelOutput

from neuronbuild.errors import InputError
from neuronbuild.models.generation import DecoderCache, GenerativeModel, rows_each
from neuronbuild.runtime.padding import pad_token
from neuronbuild.runtime.seq2seq import Answer, encode, find_room, open_answer

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
        **_: object,
    ) -> ModelOutput:
        """Read inputs: `input_ids` int64 (batch, tokens) and their mask, or `input_features` float32 (batch, bins, frames).

        Raises:
            InputError: inputs are missing or of the wrong kind.
            ShapeError: they are longer than every compiled shape.
        """
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "input_features": input_features}
        if self.main_input_name != "input_ids":
            del given["attention_mask"]  # speech is read whole: features are padded to 30 seconds by their extractor
        model = self._model
        return ModelOutput(**encode(model.sessions, model.buckets, given, model.padding))

    __call__ = forward


class Seq2SeqModel(GenerativeModel):
    """A model with an encoder and a decoder."""

    def __init__(self, release: ReleaseFolder) -> None:
        super().__init__(release)
        self.padding = pad_token(release.folder)

    def get_encoder(self, modality: str | None = None) -> Encoder:  # noqa: ARG002 (transformers passes it)
        """What reads inputs."""
        return Encoder(self)

    def forward(  # noqa: PLR0913 (transformers' own order)
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        encoder_outputs: ModelOutput | None = None,
        past_key_values: DecoderCache[Answer] | None = None,
        input_features: torch.Tensor | None = None,
        *,
        return_dict: bool = True,
        use_cache: bool = True,  # noqa: ARG002 (Whisper's language detection passes it)
        **_: object,
    ) -> Seq2SeqLMOutput:
        """Read tokens, and score what may follow each: `logits` float32 of shape (batch, tokens, vocabulary).

        Args:
            input_ids: what the encoder reads, int64 of shape (batch, tokens); `input_features` for speech.
            attention_mask: ones for tokens. Default: all ones.
            decoder_input_ids: int64 of shape (batch, tokens), without those that `past_key_values` holds already. Default:
                the token that answers start with.
            encoder_outputs: what `get_encoder()` gave for the inputs; by default they are encoded now.
            past_key_values: what an earlier call gave.
            input_features: what the encoder reads of speech, float32 of shape (batch, bins, frames).
            return_dict: only true.
            use_cache: accepted and of no consequence: the graphs always use their cache.

        Raises:
            InputError: inputs are missing or of the wrong kind.
            ShapeError: more sequences or tokens than any compiled shape has room for.
        """
        if not return_dict:
            raise InputError("return_dict=False is not supported", hint="use .to_tuple() on the output")
        encoded = encoder_outputs or self.get_encoder().forward(input_ids, attention_mask, input_features)
        ids = decoder_input_ids
        if ids is None:
            ids = torch.full((len(encoded["last_hidden_state"]), 1), self.config.decoder_start_token_id)
        ids = self._checked(ids, "decoder_input_ids")
        cache = past_key_values
        if cache is None:
            cache = DecoderCache(open_answer(self.sessions, self.buckets, encoded, ids.shape[1]))
        return Seq2SeqLMOutput(
            logits=cache.decoder.read(ids),
            past_key_values=cache,
            encoder_last_hidden_state=encoded["last_hidden_state"],
        )

    __call__ = forward

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        next_sequence_length: int | None = None,
        past_key_values: DecoderCache[Answer] | None = None,
        encoder_outputs: ModelOutput | None = None,
        **kwargs: object,  # noqa: ARG002 (by this name transformers lets `forward`'s arguments through)
    ) -> dict[str, Any]:
        """What `forward` takes: the tokens that the cache hasn't got yet."""
        ids = input_ids if next_sequence_length is None else input_ids[:, -next_sequence_length:]
        return {"decoder_input_ids": ids, "encoder_outputs": encoder_outputs, "past_key_values": past_key_values}

    def _maybe_prepare_encoder_kwargs_for_generation(
        self,
        inputs_tensor: torch.Tensor,
        model_kwargs: dict[str, Any],
        model_input_name: str | None,
        generation_config: GenerationConfig,
    ) -> dict[str, Any]:
        """Where transformers has the encoder read: what no cache has room for is refused before."""
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


@final
class NeuronModelForSpeechSeq2Seq(Seq2SeqModel, WhisperGenerationMixin):  # type: ignore[misc]  # lint knows no types of it
    """Speech to text with Whisper: `generate()` as transformers has it, of recordings of any length."""

    task: ClassVar[str] = "speech-seq2seq"
    main_input_name: ClassVar[str] = "input_features"

    @property
    def model(self) -> SimpleNamespace:
        """What Whisper's `generate()` looks up in the model: how many frames become one."""
        convolutions = {f"conv{number}": SimpleNamespace(stride=(number,)) for number in (1, 2)}
        encoder = SimpleNamespace(**convolutions, forward=self.get_encoder().forward)
        return SimpleNamespace(encoder=encoder, config=self.config)
