from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from neuronbuild.cli.options import cache_option, platform_option, recipe_arguments, recipe_paths, settings_for
from neuronbuild.errors import RecipeError


@pytest.fixture
def cwd(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_isnt_said_comes_from_the_workspace(cwd):
    (cwd / "neuronbuild.yaml").write_text("cache: near\noutput: out\nlimits: {jobs: 3, timeout: 60}\n")
    settings = settings_for(cache=None, platforms=(), jobs=None)
    assert (settings.cache, settings.output) == (str(cwd / "near"), cwd / "out")
    assert (settings.jobs, settings.timeout, settings.platforms) == (3, 60.0, None)


def test_what_is_said_wins(cwd):
    (cwd / "neuronbuild.yaml").write_text("cache: near\nlimits: {jobs: 3}\n")
    settings = settings_for(cache="other", jobs=5, platforms=("cpu",), keep_going=True)
    assert (settings.cache, settings.jobs, settings.platforms, settings.keep_going) == ("other", 5, ("cpu",), True)


def test_a_workspace_that_is_wrong_is_told(cwd):
    (cwd / "neuronbuild.yaml").write_text("limits: {jobs: 0}\n")
    with pytest.raises(RecipeError, match=r"neuronbuild\.yaml:1:10: limits\.jobs"):
        settings_for()


def test_recipes_are_looked_for_in_the_usual_folder_unless_named(tmp_path):
    assert [str(path) for path in recipe_paths(())] == ["recipes"]
    assert recipe_paths((tmp_path,)) == (tmp_path,)


@click.command()
@recipe_arguments
@cache_option
@platform_option
def show(**given):
    click.echo(sorted((name, str(value)) for name, value in given.items() if value))


def test_platforms_may_be_repeated_but_must_exist():
    done = CliRunner().invoke(show, ["a", "b", "--recursive", "--platform", "cpu", "--platform", "inf2", "--cache", "c"])
    assert done.exit_code == 0
    assert "('platforms', \"('cpu', 'inf2')\")" in done.output
    assert CliRunner().invoke(show, ["--platform", "gpu"]).exit_code == 2
