"""Speech to text with Whisper: transformers' own `generate()`, of recordings of any length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, final

from transformers.models.whisper.generation_whisper import WhisperGenerationMixin
from transformers.utils import ModelOutput

from neuronbuild.models.cache import DecoderCache, export_cache
from neuronbuild.models.seq2seq import DecoderCall, Seq2SeqModel

if TYPE_CHECKING:
    import torch
    from transformers.modeling_outputs import Seq2SeqLMOutput

    from neuronbuild.runtime.seq2seq import Answer


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

    def forward(  # noqa: PLR0913 (transformers' own)
        self,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002 (of no consequence in transformers either)
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
            input_features: what the encoder reads of speech, float32 of shape (batch, bins, frames).
            attention_mask: accepted, and of no consequence, as in transformers: features are read whole.
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
        encoded = encoder_outputs or self.get_encoder().forward(input_features=input_features)
        call = DecoderCall(decoder_input_ids, decoder_attention_mask, None, past_key_values, use_cache, return_dict)
        return self._answer(encoded, call)

    __call__ = forward

    def _postprocess_outputs(self, seek_outputs: ModelOutput | torch.Tensor, *arguments: object, **named: object) -> Any:  # noqa: ANN401
        """Where transformers takes what was generated apart, row by row: its cache as transformers knows caches."""
        if isinstance(seek_outputs, ModelOutput) and isinstance(seek_outputs.get("past_key_values"), DecoderCache):
            cache, rest = seek_outputs["past_key_values"], dict(seek_outputs)
            rest["past_key_values"] = export_cache(cache.decoder) if cache.asked else None
            seek_outputs = type(seek_outputs)(**rest)
        return super()._postprocess_outputs(seek_outputs, *arguments, **named)
