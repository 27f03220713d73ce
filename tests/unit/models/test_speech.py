from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformers
from transformers.cache_utils import EncoderDecoderCache

import neuronbuild
from neuronbuild.errors import InputError
from tests.tools.generation import SPEECH_SETTINGS, unequal
from tests.unit.models.test_causal_lm import both
from tests.unit.models.test_seq2seq import sound

TASK = "speech-seq2seq"


@pytest.fixture(scope="module")
def whisper(built, models, tmp_path_factory):
    """Ours and the eager one, with what Whisper's own checkpoints say of their special tokens."""
    folder = shutil.copytree(models[TASK], tmp_path_factory.mktemp("speech") / "model")
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, **SPEECH_SETTINGS}))
    model = neuronbuild.NeuronModelForSpeechSeq2Seq.from_pretrained(built.releases[TASK])
    eager = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder).eval()
    model.generation_config = eager.generation_config
    return model, eager


LONG = torch.randn((1, 8, 100), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "how",
    [
        {"return_dict_in_generate": True},
        {"return_dict_in_generate": True, "output_scores": True, "output_logits": True},
        {"return_dict_in_generate": True, "num_beams": 2, "output_scores": True},
        {"return_dict_in_generate": True, "use_cache": False},
        {"return_dict_in_generate": True, "return_timestamps": True},
        {"return_timestamps": True, "return_segments": True},
        {"language": "german", "task": "translate"},
        {"prompt_ids": torch.tensor([10, 33, 34])},
        {"temperature": (0.0, 0.6), "compression_ratio_threshold": 0.1, "logprob_threshold": -0.01},
        {"temperature": 0.0, "no_speech_threshold": 1e-6, "logprob_threshold": 0.0},
    ],
    ids=",".join,
)
def test_what_is_given_back_is_what_eager_transformers_gives_back(whisper, how):
    got, expected = both(*whisper, sound(2), max_new_tokens=7, **how)
    assert type(got) is type(expected)
    assert unequal(got, expected) is None


@pytest.mark.parametrize(
    "how", [{}, {"return_segments": True}, {"condition_on_prev_tokens": True}, {"return_dict_in_generate": True}], ids=str
)
def test_a_long_recording_is_written_down_as_by_eager_transformers(whisper, how):
    got, expected = both(*whisper, {"input_features": LONG}, return_timestamps=True, max_new_tokens=9, **how)
    assert unequal(got, expected) is None


def test_the_cache_that_is_given_back_holds_what_transformers_holds(whisper):
    got, expected = (made.past_key_values for made in both(*whisper, sound(2), max_new_tokens=7, return_dict_in_generate=True))
    assert isinstance(got, EncoderDecoderCache)
    assert isinstance(expected, EncoderDecoderCache)
    for mine, theirs in zip(got, expected, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert (one is None and other is None) or torch.allclose(one, other, atol=1e-4)


def test_timestamps_of_tokens_are_refused_before_anything_is_computed(whisper, monkeypatch):
    model, _ = whisper
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    with pytest.raises(InputError, match="return_token_timestamps is not supported"):
        model.generate(**sound(1), return_token_timestamps=True)
    with pytest.raises(InputError, match="assistant_model is not supported"):
        model.generate(**sound(1), assistant_model=model)
    with pytest.raises(InputError, match="assisted_generation is not supported"):
        model.generate(**sound(1), prompt_lookup_num_tokens=2)


def test_decoder_tokens_that_are_padding_are_refused(whisper):
    model, _ = whisper
    with pytest.raises(InputError, match="decoder_attention_mask leaves tokens out"):
        model(**sound(1), decoder_input_ids=torch.tensor([[0, 4]]), decoder_attention_mask=torch.tensor([[0, 1]]))
