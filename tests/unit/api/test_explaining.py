from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.explaining import compare_artifacts, explain_artifact, explain_recipes
from neuronbuild.api.prepare import plan
from neuronbuild.api.removing import read_artifact
from neuronbuild.artifact.fields import Field, write_fields
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import RecipeError
from neuronbuild.store.location import open_store
from tests.unit.api.explained import make_workspace, record_all

RECIPE = "model: ../model\ntask: fill-mask\nshapes: {batch_size: [1, 2], sequence_length: 16}\n"


@pytest.fixture
def recipe(tmp_path):
    return make_workspace(tmp_path, RECIPE)


@pytest.fixture
def settings(tmp_path):
    return replace(Settings(), cache=str(tmp_path / "cache"), scratch=tmp_path / "scratch")


def text_of(action):
    return write_fields(Field(each.path, each.text) for each in action.fields)


def test_the_values_of_each_target_are_those_that_its_key_is_the_digest_of(recipe, settings):
    actions = list(explain_recipes(load_recipes([recipe]), settings))
    steps = plan(load_recipes([recipe]), settings).steps
    assert [(each.target, each.key) for each in actions] == [(step.target, step.action.key) for step in steps]
    assert [digest_bytes(text_of(each).encode()).sha256 for each in actions] == [each.key for each in actions]


def test_a_target_is_told_with_its_key_and_where_each_value_came_from(recipe, settings):
    [first, _] = explain_recipes(load_recipes([recipe]), settings)
    told = first.as_json()
    assert told.items() >= {**first.target.as_json(), "key": first.key}.items()
    assert {"path": ["shape", "batch_size"], "value": 1, "origin": f"{recipe}:3"} in told["fields"]


def test_an_artifact_is_told_as_it_was_recorded(recipe, settings):
    key, other = record_all(recipe, settings.cache)
    store = open_store(settings.cache)
    action = explain_artifact(read_artifact(store, key))
    assert digest_bytes(text_of(action).encode()).sha256 == key
    assert {each.origin for each in action.fields} == {None}
    assert set(action.as_json()) == {"key", "fields"}
    differences = compare_artifacts(read_artifact(store, key), read_artifact(store, other))
    assert list(map(str, differences)) == ["batch_size 1 -> 2"]


def test_recipes_that_cant_be_explained_are_told_beside_the_others(recipe, settings, tmp_path):
    (tmp_path / "recipes/wrong.yaml").write_text(RECIPE.replace("16", "1000"))
    failures = []
    assert len(list(explain_recipes(load_recipes([tmp_path / "recipes"]), settings, failures))) == 2
    assert [type(each) for each in failures] == [RecipeError]
    with pytest.raises(RecipeError, match="sequence_length 1000"):
        explain_recipes(load_recipes([tmp_path / "recipes"]), settings)
