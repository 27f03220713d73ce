from __future__ import annotations

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


def test_folders_are_read_at_any_depth_on_request(tmp_path):
    write_recipe(tmp_path / "deep/er/one.yaml", model="org/one", shapes={"batch_size": 1})
    with pytest.raises(RecipeError, match="no recipe"):
        validate(tmp_path)
    assert validate(tmp_path, "--recursive") == "1 recipe, no faults\n"


def test_no_model_is_looked_at(tmp_path):
    assert validate(write_recipe(tmp_path / "one.yaml", model="./not-there", shapes={"batch_size": 1})).startswith("1 recipe")
