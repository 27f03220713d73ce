from __future__ import annotations

from pathlib import Path

import pytest

from neuronbuild.api.settings import MOST_JOBS, Settings, workspace_settings
from neuronbuild.errors import RecipeError
from neuronbuild.recipe.load import load_workspace
from neuronbuild.store.location import Remote


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("NEURONBUILD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_python_api_keeps_everything_below_the_users_cache(tmp_path):
    settings, place = Settings(), tmp_path / "user/neuronbuild"
    assert (settings.cache, settings.output, settings.scratch) == (str(place / "store"), place / "releases", place)
    assert 1 <= settings.jobs <= MOST_JOBS


def test_commands_keep_things_in_the_folder_they_run_in(tmp_path):
    settings = workspace_settings(tmp_path)
    assert (settings.cache, settings.output) == (str(tmp_path / "cache"), tmp_path / "releases")
    assert settings.scratch == tmp_path / "user/neuronbuild"


def test_a_workspace_holds_for_all_folders_below_it(tmp_path):
    (tmp_path / "neuronbuild.yaml").write_text("cache: shared\nisa: x86-64-v3\ndefaults: {task: fill-mask}\n")
    (tmp_path / "deep/er").mkdir(parents=True)
    settings = workspace_settings(tmp_path / "deep/er")
    assert (settings.cache, settings.output) == (str(tmp_path / "shared"), tmp_path / "releases")
    assert (settings.isa, settings.defaults) == ("x86-64-v3", {"task": "fill-mask"})


def test_places_may_be_absolute_or_in_the_users_home(tmp_path):
    (tmp_path / "neuronbuild.yaml").write_text("cache: /var/store\noutput: ~/out\n")
    settings = workspace_settings(tmp_path)
    assert (settings.cache, settings.output) == ("/var/store", tmp_path / "home/out")
    (tmp_path / "neuronbuild.yaml").write_text("cache: ~/store\noutput: /var/out\n")
    settings = workspace_settings(tmp_path)
    assert (settings.cache, settings.output) == (str(tmp_path / "home/store"), Path("/var/out"))


def test_the_environment_names_a_store_over_the_workspace(tmp_path, monkeypatch):
    (tmp_path / "neuronbuild.yaml").write_text("cache: near\n")
    monkeypatch.setenv("NEURONBUILD_CACHE", "/elsewhere")
    assert workspace_settings(tmp_path).cache == Settings().cache == "/elsewhere"


@pytest.mark.parametrize("text", ["limits: {jobs: many}", "cache: [a]", "isa: x86-64-v9", "- a list", "limits: {timeout: 0}"])
def test_a_workspace_that_is_wrong_is_told_with_its_place(tmp_path, text):
    (tmp_path / "neuronbuild.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"neuronbuild\.yaml:1:\d+: "):
        workspace_settings(tmp_path)


def test_far_stores_are_one_or_several_and_folders_count_from_the_workspace(tmp_path, monkeypatch):
    monkeypatch.delenv("NEURONBUILD_REMOTE", raising=False)
    file = tmp_path / "neuronbuild.yaml"
    file.write_text("remote: s3://team/cache\n")
    assert workspace_settings(tmp_path).remotes == (Remote("s3://team/cache"),)
    file.write_text("remote: {location: far, read_only: true}\n")
    assert workspace_settings(tmp_path).remotes == (Remote(str(tmp_path / "far"), read_only=True),)
    file.write_text("remote: [/a, {location: s3://b}]\n")
    assert workspace_settings(tmp_path).remotes == (Remote("/a"), Remote("s3://b"))
    monkeypatch.setenv("NEURONBUILD_REMOTE", "s3://elsewhere")
    assert workspace_settings(tmp_path).remotes == Settings().remotes == (Remote("s3://elsewhere"),)


def test_a_workspace_says_whom_it_trusts_and_what_it_shares(tmp_path, monkeypatch):
    monkeypatch.delenv("NEURONBUILD_SIGNING_KEY", raising=False)
    text = "signing_key: keys/mine\ntrusted_keys: [ed25519:x]\nshare_weights: [org/model]\nlimits: {lease: 5}\n"
    (tmp_path / "neuronbuild.yaml").write_text(text)
    settings = workspace_settings(tmp_path)
    assert settings.signing_key == tmp_path / "keys/mine"
    assert (settings.trusted_keys, settings.share_weights, settings.lease) == (("ed25519:x",), ("org/model",), 5.0)
    assert settings.lock == tmp_path / "neuronbuild.lock"
    monkeypatch.setenv("NEURONBUILD_SIGNING_KEY", "/secret/key")
    assert workspace_settings(tmp_path).signing_key == Path("/secret/key")


def test_settings_show_no_password(tmp_path):
    location = "s3://team?endpoint_url=http://user:hunter2@host"
    (tmp_path / "neuronbuild.yaml").write_text(f"cache: {location}\nremote: {location}\n")
    shown = repr(workspace_settings(tmp_path)) + repr(load_workspace(tmp_path))
    assert "hunter2" not in shown
    assert "Settings(cache='s3://team?endpoint_url=http://***@host', remotes=(Remote(" in shown
