"""What a request to generate may ask for: the rest of what transformers knows is refused by name.

transformers chooses tokens by its own code, so whatever that code does with the scores of the last token is as it is there.
What needs more of a model than that (scores of several positions, tokens taken back, attentions, another model, code from
elsewhere) isn't. Both tables say what is known to be right: a mode, setting or argument that a newer transformers adds
is refused until it is listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import GenerationConfig
from transformers.generation.configuration_utils import ALL_STATIC_CACHE_IMPLEMENTATIONS, GenerationMode

from neuronbuild.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODES = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE, GenerationMode.BEAM_SEARCH, GenerationMode.BEAM_SAMPLE)

SETTINGS = {
    # how long
    "max_length", "max_new_tokens", "min_length", "min_new_tokens", "early_stopping", "max_time", "stop_strings",
    # how tokens are chosen
    "do_sample", "num_beams", "num_return_sequences", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p",
    "epsilon_cutoff", "eta_cutoff", "length_penalty", "token_healing",
    # what is done to scores before
    "repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
    "bad_words_ids", "renormalize_logits", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "sequence_bias", "watermarking_config",
    # special tokens
    "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id",
    # what is given back
    "output_scores", "output_logits", "return_dict_in_generate",
    # how transformers computes, which decides no token; the cache's kind is looked at below
    "use_cache", "cache_implementation", "cache_config", "max_cache_len", "prefill_chunk_size", "compile_config",
    "disable_compile", "low_memory",
    # what counts in modes only that aren't known
    "use_mtp", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
    "prompt_lookup_num_tokens", "max_matching_ngram_size", "assistant_early_exit", "assistant_lookbehind", "target_lookbehind",
    "assistant_ensemble_weight", "speculation_type", "penalty_alpha", "dola_layers", "diversity_penalty", "num_beam_groups",
    "constraints", "force_words_ids", "continuous_batching_config",
    # where the settings come from
    "_from_model_config", "transformers_version",
}  # fmt: skip
"""Settings of `GenerationConfig` that transformers' own code takes care of, in the modes above."""

CACHES = {None, "dynamic", "offloaded", *ALL_STATIC_CACHE_IMPLEMENTATIONS}
"""Kinds of caches of transformers' that hold what ours does: tokens are the same with each."""

ARGUMENTS = {
    "inputs", "generation_config", "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "streamer",
    "negative_prompt_ids", "negative_prompt_attention_mask", "kwargs",
    # of Whisper
    "input_features", "return_timestamps", "task", "language", "is_multilingual", "prompt_ids", "prompt_condition_type",
    "condition_on_prev_tokens", "temperature", "compression_ratio_threshold", "logprob_threshold", "no_speech_threshold",
    "num_segment_frames", "attention_mask", "time_precision", "time_precision_features", "return_segments",
    "return_dict_in_generate", "force_unique_generate_call", "monitor_progress",
}  # fmt: skip
"""Arguments of `generate()` that are none of `GenerationConfig`, and are known to be right."""

DECIDE_MODES = {
    "constraints", "force_words_ids", "penalty_alpha", "num_beam_groups", "use_mtp", "prompt_lookup_num_tokens",
    "assistant_early_exit", "dola_layers",
}  # fmt: skip
"""Settings that make a mode another than the four above."""

CHOICES = "greedy search, sampling, beam search and sampling with beams are supported"


def refuse_arguments(given: Mapping[str, object], signature: Iterable[str]) -> None:
    """Refuse arguments of `generate()` itself that aren't known to be right.

    Raises:
        InputError: one is given, and says something.
    """
    for name in signature:
        if name not in ARGUMENTS and given.get(name) is not None and given[name] is not False:
            raise InputError(f"generate: {name} is not supported by compiled models", hint=CHOICES)


def refuse_settings(config: GenerationConfig) -> None:
    """Refuse what a complete `GenerationConfig` asks for and isn't known to be right.

    Raises:
        InputError: a mode of generation, a setting, or a kind of cache.
    """
    mode = config.get_generation_mode()
    if mode not in MODES:
        raise InputError(f"generate: {mode.value} is not supported by compiled models ({_cause(config)})", hint=CHOICES)
    for name, value in _said(config, GenerationConfig().to_dict().keys() - SETTINGS).items():
        raise InputError(f"generate: {name}={value!r} is not supported by compiled models")
    if config.cache_implementation not in CACHES:
        raise InputError(f"generate: cache_implementation={config.cache_implementation!r} is not supported by compiled models")


def _said(config: GenerationConfig, names: Iterable[str]) -> dict[str, object]:
    """Those of some settings that ask for something: they aren't transformers' defaults.

    Where transformers states no default, `None` and `False` ask for nothing; 0 does, though it equals `False`.
    """
    neutral = {**config._get_default_generation_params(), "guidance_scale": 1}  # noqa: SLF001 (transformers has them nowhere else)
    values = {name: getattr(config, name, None) for name in sorted(names)}
    return {name: value for name, value in values.items() if value is not None and _differs(value, name, neutral)}


def _differs(value: object, name: str, neutral: Mapping[str, object]) -> bool:
    return value != neutral[name] if name in neutral else value is not False


def _cause(config: GenerationConfig) -> str:
    """The settings that could have made a mode."""
    return ", ".join(f"{name}={value!r}" for name, value in _said(config, DECIDE_MODES).items()) or "by its settings"
