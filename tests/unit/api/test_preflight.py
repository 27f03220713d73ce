from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.preflight import environment_of, preflight
from neuronbuild.errors import ToolchainError, UsageError
from neuronbuild.recipe.schema import Interpreter
from tests.conftest import TEXT, write_recipe
from tests.doubles.front_end import FakeFrontEnd


@pytest.fixture
def front_end(tmp_path):
    return FakeFrontEnd(tmp_path / "front-end")


@pytest.fixture
def settings(tmp_path, front_end):
    places = {"frontend": Interpreter(python=str(front_end.python))}
    return Settings(cache=str(tmp_path / "store"), scratch=tmp_path / "scratch", sdk="2.31.0", interpreters=places)


def recipes(models, root, **keys):
    keys = {"model": str(models["fill-mask"]), "task": "fill-mask", "platforms": ["inf2"], "shapes": TEXT, **keys}
    return load_recipes([write_recipe(root / "r.yaml", **keys)])


def test_two_recipes_of_one_action_are_lowered_once(models, tmp_path, settings, front_end):
    both = [*recipes(models, tmp_path / "a"), *recipes(models, tmp_path / "b", name="other")]
    found = preflight(both, settings)
    assert [each.target.recipe for each in found] == ["r", "other"]
    assert found[0].lowering == found[1].lowering
    assert len(front_end.diary) == 1


def test_each_target_is_named_before_it_is_lowered(models, tmp_path, settings):
    told = []
    preflight(recipes(models, tmp_path), settings, note=lambda target: told.append(target.graph))
    assert told == ["forward"]


def test_where_all_is_known_no_environment_is_needed(models, tmp_path, settings, front_end):
    before = preflight(recipes(models, tmp_path), settings)
    front_end.python.unlink()
    assert preflight(recipes(models, tmp_path), settings) == before
    with pytest.raises(ToolchainError, match="there is no such interpreter"):
        preflight(recipes(models, tmp_path), settings, keep=tmp_path / "hlo")


def test_what_may_pass_is_told_and_not_remembered(models, tmp_path, settings, front_end):
    front_end.say(kill=True)
    (first,) = preflight(recipes(models, tmp_path), settings)
    assert "killed, most likely for want of memory" in first.lowering.problems[0]
    front_end.say()
    (second,) = preflight(recipes(models, tmp_path), settings)
    assert second.lowering.sound


def test_what_stops_a_graph_for_good_is_remembered(models, tmp_path, settings, front_end):
    front_end.say(error="it doesn't lower: no lowering of aten::hum")
    before = preflight(recipes(models, tmp_path), settings)
    assert preflight(recipes(models, tmp_path), settings) == before
    assert len(front_end.diary) == 1


def test_modules_that_cant_be_kept_are_told_with_their_place(models, tmp_path, settings):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"file/\w+ can't be written: Not a directory"):
        preflight(recipes(models, tmp_path), settings, keep=tmp_path / "file")


def test_many_targets_are_lowered_at_a_time_and_all_are_remembered(models, tmp_path, settings, front_end):
    shapes = {"batch_size": [1, 2, 3, 4, 5, 6], "sequence_length": [8, 16]}
    found = preflight(recipes(models, tmp_path, shapes=shapes), replace(settings, jobs=4))
    assert len(found) == len(front_end.diary) == len({entry["process"] for entry in front_end.diary}) == 12
    assert preflight(recipes(models, tmp_path, shapes=shapes), settings) == found
    assert len(front_end.diary) == 12


def test_the_users_own_environment_lies_beside_what_can_be_made_again(tmp_path, settings):
    assert environment_of(settings) == tmp_path / "scratch/front-end"
