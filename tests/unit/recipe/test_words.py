from __future__ import annotations

import json
from typing import get_args

import pytest

from neuronbuild.recipe.schema import Compiler, Recipe
from neuronbuild.recipe.words import REASONS, RENAMED, SPELLINGS, TASK_WORDS, VALUES, unknown_word
from neuronbuild.tasks import ALIASES, AXES, TASKS
from tests.conftest import ROOT

OPTIMUMS = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())


def test_an_unknown_word_is_told_the_nearest():
    assert unknown_word("key", "modle", ["model", "task"]) == "unknown key 'modle'; did you mean 'model'?"


def test_an_unknown_word_with_no_neighbour_is_told_all():
    assert unknown_word("key", "zzz", ["model", "task"]) == "unknown key 'zzz'; known: model, task"


@pytest.mark.parametrize("word", ["cache_dir", "cache-dir", "CACHE_DIR", "static_cache_dir", "--cache-dir", "-cache_dir"])
def test_a_word_of_elsewhere_is_told_with_what_to_do_however_it_is_written(word):
    assert unknown_word("key", word, ["model"], {"cache_dir": "use --cache"}) == f"unknown key {word!r}; use --cache"


def test_every_word_has_one_meaning_and_every_new_name_is_one_of_ours():
    assert not RENAMED.keys() & REASONS.keys()
    assert set(RENAMED.values()) <= {*Recipe.model_fields, *Compiler.model_fields, *AXES}


def test_every_spelling_is_of_a_value_of_ours_and_every_value_that_is_told_is_of_a_word_with_another_name():
    for key, spelt in SPELLINGS.items():
        field = {**Recipe.model_fields, **Compiler.model_fields}[key]
        ours = {*get_args(field.annotation), *(value for each in get_args(field.annotation) for value in get_args(each))}
        assert set(spelt.values()) <= ours
        assert not spelt.keys() & ours
    assert VALUES.keys() <= RENAMED.keys()


@pytest.mark.parametrize("task", [*OPTIMUMS["tasks"], *OPTIMUMS["synonyms"]])
def test_every_task_word_of_optimum_neuron_is_ours_or_told(task):
    assert task in {*TASKS, *ALIASES, *TASK_WORDS}


def test_no_word_of_ours_is_told_to_be_another():
    assert not TASK_WORDS.keys() & {*TASKS, *ALIASES}
