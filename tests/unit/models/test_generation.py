"""Settings of generation: those that transformers finds in a model's folder, wherever they stand."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest
import transformers

from neuronbuild import NeuronModelForCausalLM, NeuronModelForSeq2SeqLM, NeuronModelForSpeechSeq2Seq
from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import ReleaseError
from neuronbuild.tasks import families_for
from tests.tools.tiny import tiny_answerer, tiny_decoder

TASKS = {
    "text-generation": (NeuronModelForCausalLM, transformers.AutoModelForCausalLM, tiny_decoder),
    "text2text-generation": (NeuronModelForSeq2SeqLM, transformers.AutoModelForSeq2SeqLM, tiny_answerer),
    "speech-seq2seq": (NeuronModelForSpeechSeq2Seq, transformers.AutoModelForSpeechSeq2Seq, tiny_answerer),
}
FAMILIES = [(task, family) for task in TASKS for family in families_for(task)]
VALUES = {
    "max_length": 33, "max_new_tokens": 7, "min_length": 3, "min_new_tokens": 2, "do_sample": True, "num_beams": 2,
    "early_stopping": True, "use_cache": False, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "typical_p": 0.9,
    "repetition_penalty": 1.2, "length_penalty": 0.5, "no_repeat_ngram_size": 2, "bad_words_ids": [[5], [6, 7]],
    "sequence_bias": [[[5], 1.0]], "renormalize_logits": True, "forced_bos_token_id": 5, "forced_eos_token_id": 2,
    "force_bos_token_to_be_generated": True, "suppress_tokens": [8], "begin_suppress_tokens": [9], "guidance_scale": 2.0,
    "eos_token_id": [2, 3], "pad_token_id": 4, "bos_token_id": 5, "decoder_start_token_id": 6, "num_beam_groups": 2,
    "penalty_alpha": 0.5, "output_scores": True, "return_dict_in_generate": True, "prompt_lookup_num_tokens": 3,
    "task_specific_params": {"summarization": {"num_beams": 4}}, "forced_decoder_ids": [[1, 5]], "lang_to_id": {"<|en|>": 6},
    "chat_format": "plain", "encoder_no_repeat_ngram_size": 2, "exponential_decay_length_penalty": [2, 1.5], "max_time": 3.0,
    "transformers_version": "4.20.0", "text_config": {"max_length": 50, "num_beams": 3}, "decoder": {"min_length": 2},
}  # fmt: skip
"""Keys of configs old and new, among them some that transformers knows nothing of."""


def write(folder, name: str, settings: dict) -> None:
    """Merge settings into a JSON file of a folder."""
    path = folder / name
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **settings}))


def open_settings(model_class, folder):
    """A model of ours, of which no graph is needed."""
    bucket = SimpleNamespace(shape=Shape.of({"batch_size": 1, "num_beams": 5}))
    index = SimpleNamespace(bindings={})
    return model_class(SimpleNamespace(folder=folder, buckets=(bucket,), index=index, refuse_altered=lambda: None))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of each family, saved by transformers."""
    root = tmp_path_factory.mktemp("saved")
    for task, family in FAMILIES:
        TASKS[task][2](family).save_pretrained(root / family)
    return root


@pytest.mark.parametrize(("task", "family"), FAMILIES)
def test_settings_are_those_that_transformers_finds(saved, task, family):
    model_class, auto, _ = TASKS[task]
    folder, choose = saved / family, random.Random(family)
    whole = {name: (folder / name).read_text() for name in ("config.json", "generation_config.json")}
    for _ in range(6):
        for name, text in whole.items():
            (folder / name).write_text(text)
        if choose.random() < 0.7:
            (folder / "generation_config.json").unlink()
        names = choose.sample(sorted(VALUES.keys() - {"text_config", "decoder"}), 9)
        write(folder, choose.choice(list(whole)), {name: VALUES[name] for name in names})
        try:
            expected = auto.from_pretrained(folder).generation_config
        except ValueError as error:
            with pytest.raises(ReleaseError, match=str(error)[:20].translate({ord("`"): "."})):
                open_settings(model_class, folder)
        else:
            assert open_settings(model_class, folder).generation_config.to_dict() == expected.to_dict(), names


@pytest.mark.parametrize("part", ["text_config", "decoder"])
def test_settings_of_a_part_of_the_config_count_where_the_whole_says_nothing(tmp_path, part):
    tiny_decoder("llama").save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    write(tmp_path, "config.json", {"num_beams": 2, part: {"max_length": 50, "num_beams": 3}})
    config = open_settings(NeuronModelForCausalLM, tmp_path).generation_config
    assert (config.max_length, config.num_beams) == (50, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_file_that_is_no_json_is_passed_over_or_refused_as_by_transformers(tmp_path, text):
    tiny_decoder("llama").save_pretrained(tmp_path)
    write(tmp_path, "config.json", {"num_beams": 2})
    (tmp_path / "generation_config.json").write_bytes(text.encode("latin-1"))
    try:
        expected = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).generation_config
    except TypeError:
        with pytest.raises(ReleaseError, match="settings of generation"):
            open_settings(NeuronModelForCausalLM, tmp_path)
    else:
        assert open_settings(NeuronModelForCausalLM, tmp_path).generation_config == expected


@pytest.mark.parametrize(
    "settings", [{"max_new_tokens": -1}, {"num_return_sequences": 2}, {"cache_implementation": "huge"}], ids=str
)
def test_settings_that_transformers_refuses_are_refused_when_a_release_is_opened(tmp_path, settings):
    tiny_decoder("llama").save_pretrained(tmp_path)
    write(tmp_path, "generation_config.json", settings)
    with pytest.raises(ReleaseError, match="settings of generation"):
        open_settings(NeuronModelForCausalLM, tmp_path)
