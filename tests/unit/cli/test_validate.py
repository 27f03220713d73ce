from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from neuronbuild.cli.validate import validate_command
from neuronbuild.errors import RecipeError
from tests.conftest import write_recipe


def validate(*paths):
    done = CliRunner().invoke(validate_command, list(map(str, paths)), standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


def test_one_and_several_are_counted(tmp_path):
    shapes = {"batch_size": 1, "sequence_length": 8}
    one = write_recipe(tmp_path / "one.yaml", model="org/one", shapes=shapes)
    assert validate(one) == "1 recipe, no faults\n"
    write_recipe(tmp_path / "two.yaml", model="org/two", shapes=shapes)
    assert validate(tmp_path) == "2 recipes, no faults\n"


def test_a_grid_is_checked_where_the_task_is_told(tmp_path):
    base = {"model": "org/one", "task": "fill-mask"}
    grids = {
        "missing": {"batch_size": 1},
        "wrong": {"batch_size": 1, "sequence_length": 8, "num_choices": 2},
        "huge": {"batch_size": list(range(1, 200)), "sequence_length": list(range(1, 200))},
        "empty": {"batch_size": 1, "sequence_length": 8, "exclude": [{"batch_size": 1}]},
        "idle": {"batch_size": 1, "sequence_length": 8, "exclude": [{"batch_size": 7}]},
        "partial": {"batch_size": 1, "sequence_length": 8, "include": [{"batch_size": 1}]},
    }
    for name, shapes in grids.items():
        write_recipe(tmp_path / f"{name}.yaml", **base, shapes=shapes)
    write_recipe(tmp_path / "absent.yaml", **base)
    with pytest.raises(RecipeError) as caught:
        validate(tmp_path)
    assert {issue.path.rpartition("/")[2].removesuffix(".yaml") for issue in caught.value.issues} == {*grids, "absent"}


def test_without_a_task_only_the_model_tells_the_axes(tmp_path):
    assert validate(write_recipe(tmp_path / "one.yaml", model="org/one")).startswith("1 recipe")


def test_programs_are_told_as_json(tmp_path):
    file = write_recipe(tmp_path / "one.yaml", model="org/one")
    assert json.loads(validate(file, "--json")) == {"version": 1, "recipes": 1, "issues": []}
    file.write_text("model: org/one\nmodle: x\n")
    said = json.loads(validate(file, "--json"))
    [issue] = said["issues"]
    assert (issue["path"], issue["line"], issue["column"]) == (str(file), 2, 1)
    assert "unknown key 'modle'" in issue["message"]


def test_folders_are_read_at_any_depth_on_request(tmp_path):
    write_recipe(tmp_path / "deep/er/one.yaml", model="org/one", shapes={"batch_size": 1})
    with pytest.raises(RecipeError, match="no recipe"):
        validate(tmp_path)
    assert validate(tmp_path, "--recursive") == "1 recipe, no faults\n"


def test_a_model_is_looked_for_and_not_into(tmp_path):
    with pytest.raises(RecipeError, match=r"model \./not-there: there is no folder"):
        validate(write_recipe(tmp_path / "one.yaml", model="./not-there"))
    (tmp_path / "not-there").mkdir()
    assert validate(tmp_path / "one.yaml").startswith("1 recipe")
    assert validate(write_recipe(tmp_path / "one.yaml", model="org/of-the-hub")).startswith("1 recipe")
