from __future__ import annotations

import inspect

import pytest
import transformers
from transformers.generation.configuration_utils import ALL_CACHE_IMPLEMENTATIONS, GenerationMode
from transformers.models.whisper.generation_whisper import WhisperGenerationMixin

from neuronbuild.errors import InputError
from neuronbuild.models import requests
from neuronbuild.models.requests import ARGUMENTS, CACHES, MODES, SETTINGS, refuse_arguments, refuse_settings

MAKING = {
    GenerationMode.CONTRASTIVE_SEARCH: {"penalty_alpha": 0.6, "top_k": 4},
    GenerationMode.GREEDY_SEARCH: {},
    GenerationMode.SAMPLE: {"do_sample": True},
    GenerationMode.ASSISTED_GENERATION: {"prompt_lookup_num_tokens": 2},
    GenerationMode.DOLA_GENERATION: {"dola_layers": "high"},
    GenerationMode.BEAM_SEARCH: {"num_beams": 2},
    GenerationMode.BEAM_SAMPLE: {"num_beams": 2, "do_sample": True},
    GenerationMode.CONSTRAINED_BEAM_SEARCH: {"force_words_ids": [[5]], "num_beams": 2},
    GenerationMode.GROUP_BEAM_SEARCH: {"num_beams": 2, "num_beam_groups": 2},
}
"""Settings for each mode that transformers has: one that it gains must be added here, and known or refused."""

REFUSED = {"guidance_scale": 2.0, "is_assistant": True, "output_attentions": True, "output_hidden_states": True}
SIGNATURES = [transformers.GenerationMixin.generate, WhisperGenerationMixin.generate]


def complete(**settings) -> transformers.GenerationConfig:
    """Settings with transformers' defaults beside them, as it puts them together for a call."""
    config = transformers.GenerationConfig(**settings)
    config.update(**config._get_default_generation_params(), defaults_only=True)
    return config


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_a_mode_that_is_not_known_to_be_right_is_refused_with_what_asks_for_it(mode):
    config = complete(**MAKING[mode])
    assert config.get_generation_mode() == mode
    if mode in MODES:
        refuse_settings(config)
    else:
        cause = next(name for name in MAKING[mode] if name not in {"num_beams", "top_k"})
        with pytest.raises(InputError, match=f"{mode.value} is not supported.*{cause}="):
            refuse_settings(config)


def test_every_setting_that_transformers_has_is_known_or_refused():
    names = set(transformers.GenerationConfig().to_dict())
    assert names - SETTINGS == set(REFUSED)
    for name, value in REFUSED.items():
        with pytest.raises(InputError, match=f"{name}={value!r} is not supported"):
            refuse_settings(complete(**{name: value}))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("value", [0, 0.0, ""])
def test_a_refused_setting_that_python_counts_as_false_says_something_all_the_same(name, value):
    config = complete()
    setattr(config, name, value)
    with pytest.raises(InputError, match=f"{name}={value!r} is not supported"):
        refuse_settings(config)


def test_a_scale_of_guidance_is_a_request_unless_it_is_one():
    for value in (1, 1.0, None):
        refuse_settings(complete(guidance_scale=value))
    with pytest.raises(InputError, match="guidance_scale=False"):  # transformers counts with it as 0
        refuse_settings(complete(guidance_scale=False))


def test_a_setting_that_nobody_has_looked_at_is_refused_once_it_says_something(monkeypatch):
    monkeypatch.setattr(requests, "SETTINGS", SETTINGS - {"top_p", "early_stopping"})
    refuse_settings(complete(top_k=5))
    refuse_settings(complete(top_p=1.0, early_stopping=False))
    with pytest.raises(InputError, match=r"top_p=0\.5"):
        refuse_settings(complete(top_p=0.5))


def test_settings_that_ask_for_nothing_are_let_through():
    refuse_settings(complete(guidance_scale=1.0, output_attentions=False, num_beam_groups=1, low_memory=True, unheard_of=3))


def test_kinds_of_caches_that_give_the_same_tokens_are_let_through():
    assert {*ALL_CACHE_IMPLEMENTATIONS, "paged"} - CACHES == {"quantized", "paged"}
    for name in ALL_CACHE_IMPLEMENTATIONS:
        config = complete(cache_implementation=name)
        if name in CACHES:
            refuse_settings(config)
        else:
            with pytest.raises(InputError, match=f"cache_implementation='{name}'"):
                refuse_settings(config)


@pytest.mark.parametrize("generate", SIGNATURES, ids=lambda function: function.__qualname__)
def test_every_argument_of_generate_is_known_or_refused(generate):
    names = set(inspect.signature(generate).parameters) - {"self"}
    others = names - ARGUMENTS
    assert others <= {"assistant_model", "custom_generate", "synced_gpus", "return_token_timestamps"}
    for name in others:
        refuse_arguments({name: None}, names)
        refuse_arguments({name: False}, names)
        with pytest.raises(InputError, match=f"{name} is not supported"):
            refuse_arguments({name: object()}, names)
