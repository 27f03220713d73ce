from __future__ import annotations

import pytest

from neuronbuild.recipe.schema import Compiler, Recipe
from neuronbuild.recipe.words import REASONS, RENAMED, unknown_word
from neuronbuild.tasks import AXES


def test_an_unknown_word_is_told_the_nearest():
    assert unknown_word("key", "modle", ["model", "task"]) == "unknown key 'modle'; did you mean 'model'?"


def test_an_unknown_word_with_no_neighbour_is_told_all():
    assert unknown_word("key", "zzz", ["model", "task"]) == "unknown key 'zzz'; known: model, task"


@pytest.mark.parametrize("word", ["cache_dir", "cache-dir", "CACHE_DIR", "static_cache_dir"])
def test_a_word_of_elsewhere_is_told_with_what_to_do_however_it_is_written(word):
    assert unknown_word("key", word, ["model"], {"cache_dir": "use --cache"}) == f"unknown key {word!r}; use --cache"


def test_every_word_has_one_meaning_and_every_new_name_is_one_of_ours():
    assert not RENAMED.keys() & REASONS.keys()
    assert set(RENAMED.values()) <= {*Recipe.model_fields, *Compiler.model_fields, *AXES}
