from __future__ import annotations

import pytest
from pydantic import ValidationError

from neuronbuild.recipe.schema import Recipe, Workspace
from neuronbuild.recipe.wording import describe


def wording(kind, document):
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document)
    return [describe(fault, kind) for fault in caught.value.errors()]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"modle": "x"}, "unknown key 'modle'; did you mean 'model'?"),
        ({"compiler": {"optlevl": 1}}, "unknown key 'optlevl'; did you mean 'optlevel'?"),
        ({"release": {"nam": "x"}}, "unknown key 'nam'; did you mean 'name'?"),
        ({"release": {"zzz": "x"}}, "unknown key 'zzz'; known: name"),
        ({"compiler": {"optlevel": 4}}, "compiler.optlevel: should be 1, 2 or 3"),
        ({"compiler": {"auto_cast": "matmull"}}, "unknown compiler.auto_cast 'matmull'; did you mean 'matmul'?"),
        ({"dtype": "float23"}, "unknown dtype 'float23'; did you mean 'float32'?"),
        ({"platforms": ["imf2"]}, "unknown platform 'imf2'; did you mean 'inf2'?"),
        ({"platforms": "inf2"}, "platforms: should be a list"),
        ({"platforms": []}, "platforms: should have at least one item"),
        ({"compiler": "fast"}, "compiler: should be a mapping of keys to values"),
        ({"shapes": [1]}, "shapes: should be a mapping of keys to values"),
        ({"shapes": {"exclude": {"batch_size": 1}}}, "shapes.exclude: should be a list"),
        ({"shapes": {"include": [3]}}, "shapes.include.0: should be a mapping of keys to values"),
        ({"shapes": {"batch_size": 0}}, "shapes.batch_size.0: should be greater than or equal to 1"),
        ({"name": "a/b"}, "name: 'a/b' can't be a folder's name: use letters, digits, '.', '-' and '_', at most 200"),
        ({"model": ""}, "model: should not be empty"),
        ({"num_cores": "2"}, "num_cores: should be a valid integer"),
        ({"num_cores": "08"}, "num_cores: 08 isn't a number in YAML because it begins with 0: write 8"),
    ],
)
def test_a_finding_is_told_in_a_recipe_authors_words(keys, text):
    assert text in wording(Recipe, {"model": "x", **keys})


def test_a_missing_key_is_named():
    assert wording(Recipe, {}) == ["the key 'model' is missing"]


def test_a_pair_that_cannot_work_needs_no_key():
    [text] = wording(Recipe, {"model": "x", "weights": "inline"})
    assert text.startswith("`weights: inline` isn't supported on cpu")


def test_a_workspaces_keys_are_known_too():
    assert wording(Workspace, {"limits": {"jbos": 1}, "cahce": "x"}) == [
        "unknown key 'jbos'; did you mean 'jobs'?",
        "unknown key 'cahce'; did you mean 'cache'?",
    ]


def test_no_wording_speaks_of_pydantic_or_python():
    messy = {
        "model": 1,
        "shapes": {"include": "x", "exclude": [[]], "batch_size": None},
        "platforms": {},
        "compiler": [],
        "task": [],
    }
    for text in wording(Recipe, messy):
        assert not any(word in text.lower() for word in ("tuple", "dict", "pydantic", "instance", "input"))
