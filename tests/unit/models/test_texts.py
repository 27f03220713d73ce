from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import AutoTokenizer

from neuronbuild.errors import InputError, ReleaseError
from neuronbuild.models.texts import TextReader, _use_small_letters, as_batch, characters, open_tokenizer
from neuronbuild.tasks.sentences import Settings
from tests.conftest import write_tokenizer


@pytest.fixture
def release(tmp_path):
    write_tokenizer(tmp_path)
    index = SimpleNamespace(files=[SimpleNamespace(path="vocab.txt")])
    return SimpleNamespace(folder=tmp_path, index=index, refuse_altered=lambda: None)


def config(positions: object):
    return SimpleNamespace(max_position_embeddings=positions)


@pytest.mark.parametrize(
    ("arguments", "positions", "length"),
    [
        ({}, 66, 66),
        ({}, -1, int(1e30)),
        ({"model_max_length": 90}, 66, 90),
        ({"model_max_length": 9}, 66, 9),
        ({}, None, int(1e30)),
    ],
)
def test_the_length_is_that_of_the_settings_else_the_models(release, arguments, positions, length):
    assert open_tokenizer(release, Settings(arguments), config(positions)).model_max_length == length


def test_small_letters_are_made_before_anything_else(release):
    assert _tokens(open_tokenizer(release, Settings({"do_lower_case": False}), config(66))) == ["[UNK]"]
    for once in ({"do_lower_case": False}, {}):
        assert _tokens(open_tokenizer(release, Settings(once, do_lower_case=True), config(66))) == ["cat"]


def _tokens(tokenizer):
    return tokenizer.tokenize("CAT")


def test_a_slow_tokenizer_is_told_to_make_small_letters(release):
    slow = SimpleNamespace(is_fast=False, do_lower_case=False)
    _use_small_letters(slow)
    assert slow.do_lower_case


def test_a_template_of_chats_is_refused_in_a_plain_model_only(release):
    (release.folder / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(ReleaseError, match="template of chats"):
        open_tokenizer(release, Settings(plain=True), config(66))
    assert open_tokenizer(release, Settings(), config(66)).chat_template


@pytest.mark.parametrize(
    ("inputs", "batch", "single"),
    [
        ("a", ["a"], True),
        (["a"], ["a"], False),
        (("a", "b"), ["a", "b"], False),
        ([("a", "b"), ["c", "d"]], [("a", "b"), ["c", "d"]], False),
        (np.array([["a", "b"]]), [["a", "b"]], False),
        ([], [], False),
    ],
)
def test_batches_are_told_from_single_texts(inputs, batch, single):
    assert as_batch(inputs) == (batch, single)


@pytest.mark.parametrize("inputs", [None, 5, {"text": "a"}, [None], [("a",)], np.array(3.0), iter([])])
def test_what_is_no_text_is_named(inputs):
    with pytest.raises(InputError, match="where a text must be"):
        as_batch(inputs)


def test_a_pair_is_as_long_as_both_of_its_texts():
    assert [characters(text) for text in ("", "abc", ("ab", "c"), ["", ""])] == [0, 3, 3, 0]


def test_a_prompt_goes_before_each_text_and_its_tokens_are_counted(release):
    tokenizer = AutoTokenizer.from_pretrained(release.folder)
    reader = TextReader(tokenizer, {"query": 4})
    made = reader.read(["cat", ("dog", "mat")], "the red ")
    assert [tokenizer.decode(row) for row in made["input_ids"]] == [
        "[CLS] the red cat [SEP] [PAD] [PAD]", "[CLS] the red dog [SEP] mat [SEP]"
    ]  # fmt: skip
    assert made["prompt_length"] == 3  # [CLS] the red
    assert reader.read(["cat"])["modality"] == "text"
    assert reader.read(["cat dog mat red"], task="query")["input_ids"].shape == (1, 4)
    assert reader.read(["cat dog mat red"], task="document")["input_ids"].shape == (1, 6)


def test_half_a_character_is_refused(release):
    with pytest.raises(InputError, match="can't read these texts"):
        TextReader(AutoTokenizer.from_pretrained(release.folder), {}).read(["\ud800"])
