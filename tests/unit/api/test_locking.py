from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from neuronbuild import api
from neuronbuild.api import Settings, locking
from neuronbuild.api.locking import read_lock, write_lock
from neuronbuild.api.prepare import Context, lock, plan, prepare
from neuronbuild.artifact.lockfile import LockFile
from neuronbuild.errors import LockError, NotBuiltError, SourceError, ToolchainError
from neuronbuild.store.location import Remote
from neuronbuild.toolchain import inductor
from tests.conftest import TEXT, make_model, write_chat_templates, write_recipe
from tests.unit.api.shared import folders


@pytest.fixture
def locked(tmp_path):
    return folders(tmp_path, remotes=(), lock=tmp_path / "neuronbuild.lock")


@pytest.fixture
def own(tmp_path):
    """A recipe for a model of one's own, to change and to lose."""
    model = make_model(tmp_path / "own", "AutoModelForMaskedLM", seed=5)
    recipes = [write_recipe(tmp_path / "recipes/own.yaml", name="own", model="../own", task="fill-mask", shapes=TEXT)]
    return model, lambda: api.load_recipes(recipes)


def keys(recipes, settings) -> list[str]:
    return [step.action.key for step in plan(recipes, settings).steps]


def test_a_link_where_a_lock_is_made_is_never_written_through(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    for name in ("neuronbuild.lock", f".neuronbuild.lock.{os.getpid()}"):
        (tmp_path / name).symlink_to("victim")
    assert write_lock(tmp_path / "neuronbuild.lock", LockFile())
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_lock_is_written_once_and_gives_the_same_keys(locked, own):
    before = keys(own[1](), locked)
    assert lock(own[1](), locked)
    assert not lock(own[1](), locked)
    assert keys(own[1](), locked) == keys(own[1](), replace(locked, locked=True)) == before


def test_with_a_lock_keys_need_no_model_and_no_toolchain(locked, own, monkeypatch):
    before = keys(own[1](), locked)
    lock(own[1](), locked)
    own[0].rename(own[0].with_name("away"))

    def missing(*_):
        raise ToolchainError("inductor", "torch isn't installed")

    monkeypatch.setattr(inductor.Inductor, "fingerprint", missing)
    assert keys(own[1](), locked) == before
    with pytest.raises(SourceError):
        plan(own[1](), replace(locked, lock=None))


def test_drift_is_told_and_stops_where_it_counts(locked, own, caplog):
    lock(own[1](), locked)
    config = own[0] / "config.json"
    config.write_text(config.read_text().replace('"pad_token_id": 0', '"pad_token_id": 1'))
    with pytest.raises(LockError, match=r"model \.\./own: config\.json differs") as caught:
        plan(own[1](), replace(locked, locked=True))
    assert caught.value.exit_code == 2
    plan(own[1](), locked)
    assert "isn't what was locked" in caplog.text


def test_a_model_that_isnt_in_the_lock_is_drift(locked, own):
    write_lock(locked.lock, LockFile())
    with pytest.raises(LockError, match=r"model \.\./own: not in the lock"):
        plan(own[1](), replace(locked, locked=True))


def test_another_toolchain_is_drift(locked, own):
    lock(own[1](), locked)
    loaded = json.loads(locked.lock.read_text())
    loaded["toolchains"][0]["versions"]["torch"] = "1.0"
    locked.lock.write_text(json.dumps(loaded))
    with pytest.raises(LockError, match=r"toolchain inductor for cpu: torch 1\.0 -> "):
        plan(own[1](), replace(locked, locked=True))


def _change_model(model, lock):
    config = model / "config.json"
    config.write_text(config.read_text().replace('"pad_token_id": 0', '"pad_token_id": 1'))


def _change_toolchain(model, lock):
    loaded = json.loads(lock.read_text())
    loaded["toolchains"][0]["versions"]["torch"] = "1.0"
    lock.write_text(json.dumps(loaded))


def _forget_model(model, lock):
    write_lock(lock, LockFile((), read_lock(lock).toolchains))


def _forget_toolchain(model, lock):
    write_lock(lock, LockFile(read_lock(lock).models))


@pytest.mark.parametrize("change", [_change_model, _change_toolchain, _forget_model, _forget_toolchain])
def test_locked_means_the_same_to_a_plan_to_a_build_and_where_nothing_is_built(locked, own, change):
    lock(own[1](), locked)
    change(own[0], locked.lock)
    said = set()
    for command, settings in (
        (plan, replace(locked, locked=True)),
        (plan, replace(locked, locked=True, no_build=True)),
        (api.apply, replace(locked, locked=True)),
        (api.apply, replace(locked, locked=True, no_build=True)),
        (api.release, replace(locked, locked=True)),
    ):
        with pytest.raises(LockError) as caught:
            command(own[1](), settings)
        said.add(str(caught.value))
    assert len(said) == 1


def test_what_isnt_here_cant_differ_from_the_lock(locked, own, monkeypatch):
    lock(own[1](), locked)
    own[0].rename(own[0].with_name("away"))
    monkeypatch.setenv("PATH", "/nonexistent")
    for no_build in (False, True):
        assert plan(own[1](), replace(locked, locked=True, no_build=no_build)).misses
    with pytest.raises(NotBuiltError):
        api.apply(own[1](), replace(locked, locked=True, no_build=True))


def test_another_release_of_the_sdk_is_named(locked, own, tmp_path):
    write_recipe(tmp_path / "recipes/own.yaml", model="../own", task="fill-mask", shapes=TEXT, platforms=["inf2"])
    lock(own[1](), replace(locked, sdk="2.31.0"))
    for no_build in (False, True):
        with pytest.raises(LockError, match=r"toolchain neuronx for inf2: SDK 2\.31\.0 -> 2\.30\.0 \(.*neuronx-cc 2\.26\."):
            plan(own[1](), replace(locked, sdk="2.30.0", locked=True, no_build=no_build))


@pytest.mark.parametrize("platform", ["cpu", "inf2"])
def test_a_lock_names_the_models_part_of_the_actions_that_are_planned_with_it(locked, own, tmp_path, platform):
    """By it a prune keeps what a lock pins: with the toolchain's own attention and outputs, as they stand in its actions."""
    write_recipe(tmp_path / "recipes/own.yaml", model="../own", task="fill-mask", shapes=TEXT, platforms=[platform])
    pinned = replace(locked, sdk="2.31.0")
    lock(own[1](), pinned)
    [prepared] = prepare(own[1](), Context.open(pinned))
    [model] = read_lock(pinned.lock).models
    assert set(model.subjects) == {action.record.model.digest for _, action in prepared.steps}


def test_to_be_locked_there_must_be_a_lock(locked, own):
    with pytest.raises(LockError, match="there is none"):
        plan(own[1](), replace(locked, locked=True))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}x", '{"format": 99}', '{"models": 7}', '{"format": 1, "models": [{}]}', "[" * 9999]
)
def test_a_lock_that_cant_be_read_is_told(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / "lock")
    assert caught.value.hint
    assert read_lock(tmp_path / "absent") is None
    assert read_lock(None) is None


def test_a_lock_that_cant_be_written_is_told(tmp_path):
    with pytest.raises(LockError, match="can't be written"):
        write_lock(tmp_path / "absent/lock", LockFile())


def test_a_machine_without_a_compiler_releases_what_others_built(settings, recipe, models, tmp_path, monkeypatch):
    remotes, lock_file = (Remote(str(tmp_path / "far")),), tmp_path / "neuronbuild.lock"
    builder = replace(settings, lock=lock_file, remotes=remotes, share_weights=(str(models["fill-mask"]),))
    lock(recipe(), builder)
    api.apply(recipe(), builder)
    from neuronbuild.api.sharing import push

    push(recipe(), builder, weights=True)
    server = replace(
        builder, cache=str(tmp_path / "server"), scratch=tmp_path / "scratch", output=tmp_path / "out", no_build=True
    )
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(locking.LockedFiles, "_from_source", lambda *_: (_ for _ in ()).throw(SourceError("x", "away")))
    (release,) = api.apply(recipe(), server).releases
    assert (release.folder / "model.safetensors").stat().st_size > 0
    with pytest.raises(NotBuiltError, match=r"1 not compiled yet:\n  more forward on cpu \(batch_size=3") as caught:
        api.apply(recipe("more", shapes={"batch_size": 3, "sequence_length": 16}), server)
    assert caught.value.exit_code == 1


def test_the_python_api_has_no_lock(locked, own):
    assert Settings().lock is None
    unlocked = replace(locked, lock=None)
    assert Context.open(unlocked).lock is None
    assert prepare(own[1](), Context.open(unlocked))


def test_a_model_that_this_version_refuses_is_refused_though_the_lock_has_it(locked, own):
    lock(own[1](), locked)
    text = locked.lock.read_text()
    document = json.loads(text)
    document["models"][0]["documents"]["config.json"]["quantization_config"] = {"quant_method": "gptq"}
    locked.lock.write_text(json.dumps(document))
    own[0].rename(own[0].with_name("away"))
    with pytest.raises(SourceError, match="gptq: quantization_config"):
        plan(own[1](), replace(locked, locked=True))


def test_an_adapter_that_was_put_beside_a_locked_model_is_refused(locked, own):
    lock(own[1](), locked)
    (own[0] / "adapter_config.json").write_text("{}")
    with pytest.raises(SourceError, match="an adapter lies beside it"):
        plan(own[1](), locked)


def test_the_lock_carries_files_in_folders(locked, own):
    write_chat_templates(own[0])
    lock(own[1](), locked)
    [model] = read_lock(locked.lock).models
    assert {"additional_chat_templates/rag.jinja", "additional_chat_templates/tool use.jinja"} <= model.files.keys()
    plan(own[1](), replace(locked, locked=True))
