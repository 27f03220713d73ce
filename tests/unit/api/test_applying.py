from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from neuronbuild import api
from neuronbuild.errors import ReleaseError
from tests.doubles.toolchain import Recorder
from tests.flows.stores import contents, manifest, records


class Notes(Recorder):
    """Keeps what it was told, of plans for real models too."""

    def planned(self, plan) -> None:
        self.planned_steps = [step.state for step in plan.steps]


def test_what_is_known_is_released_without_a_compile(settings, recipe):
    notes = Notes()
    report = api.apply(recipe(), settings, notes)
    assert [outcome.kind for outcome in report.outcomes] == ["reused"]
    assert (notes.planned_steps, notes.started_steps) == (["hit"], [])
    [release] = report.releases
    assert (release.recipe, release.platform, release.folder, release.written) == (
        "one",
        "cpu",
        settings.output / "one-cpu",
        True,
    )
    assert (release.folder / "neuronbuild.json").is_file()
    assert notes.notes == [f"release {release.folder} written"]


def test_the_second_time_nothing_is_written(settings, recipe):
    api.apply(recipe(), settings)
    before = (settings.output / "one-cpu").stat().st_ino
    again = api.apply(recipe(), settings)
    assert [release.written for release in again.releases] == [False]
    assert [outcome.kind for outcome in again.outcomes] == ["reused"]
    assert (settings.output / "one-cpu").stat().st_ino == before


def test_a_release_that_changed_is_written_beside_those_that_didnt(settings, recipe):
    api.apply([*recipe("one"), *recipe("two")], settings)
    report = api.apply([*recipe("one", dynamic_batch_size=True), *recipe("two")], settings)
    assert [release.written for release in report.releases] == [True, False]


def test_a_model_without_a_tokenizer_is_told(settings, recipe, models, tmp_path):
    shutil.copytree(models["fill-mask"], tmp_path / "mute", ignore=shutil.ignore_patterns("vocab.txt", "tokenizer*"))
    notes = Notes()
    api.apply(recipe("mute", model=str(tmp_path / "mute")), settings, notes)
    assert ["no tokenizer" in note for note in notes.notes].count(True) == 1


def test_the_snapshot_is_kept_in_the_store(settings, recipe):
    api.apply(recipe(), settings)
    release = json.loads((settings.output / "one-cpu/neuronbuild.json").read_text())
    file = Path(settings.cache) / f"v1/snapshots/{release['snapshot'][:2]}/{release['snapshot']}.json"
    assert "model.safetensors" in json.loads(file.read_text())["files"]


def test_a_release_may_have_another_name_than_its_recipe(settings, recipe):
    [release] = api.apply(recipe(release={"name": "nice-name"}), settings).releases
    assert (release.recipe, release.folder.name) == ("one", "nice-name-cpu")


def test_what_it_reports_is_json(settings, recipe):
    said = json.loads(json.dumps(api.apply(recipe(), settings).as_json()))
    assert said["releases"] == [{"recipe": "one", "platform": "cpu", "folder": str(settings.output / "one-cpu")}]
    assert said["summary"] == {"steps": 1, "reused": 1, "built": 0, "failed": 0, "skipped": 0}


def test_a_release_that_fails_doesnt_stop_the_others(settings, recipe):
    (settings.output / "one-cpu").mkdir(parents=True)
    (settings.output / "one-cpu/mine").write_text("mine")
    report = api.apply([*recipe("one"), *recipe("two")], settings)
    assert [release.recipe for release in report.releases] == ["two"]
    [failure] = report.as_json()["failures"]
    assert (failure["recipe"], failure["platform"]) == ("one", "cpu")
    assert "something else is in its place" in failure["message"]
    assert "choose another --output" in failure["hint"]


def test_a_check_that_a_newer_version_recorded_costs_its_release_only(settings, recipe):
    store, newer = Path(settings.cache), []
    for key in records(store):
        said = manifest(store, key)
        if said["action"]["kind"] == "check":
            newer.append(store / f"v1/actions/{key[:2]}/{key}.json")
            newer[-1].chmod(0o644)
            newer[-1].write_text(json.dumps({**said, "format": 99}))
    report = api.apply(recipe(), settings)
    assert report.releases == ()
    assert "recorded by a newer version" in report.as_json()["failures"][0]["message"]
    assert {json.loads(file.read_text())["format"] for file in newer} == {99}


def test_releasing_alone_writes_what_is_known(settings, recipe, built):
    releases = api.release(recipe("fill-mask"), settings)
    assert [(release.recipe, release.written) for release in releases] == [("fill-mask", True)]
    assert contents(releases[0].folder) == contents(built.releases["fill-mask"])


def test_releasing_alone_never_compiles(settings, recipe):
    with pytest.raises(
        ReleaseError, match=r"not compiled yet: one forward on cpu \(batch_size=2, sequence_length=24\)"
    ) as caught:
        api.release(recipe(shapes={"batch_size": 2, "sequence_length": 24}), settings)
    assert caught.value.hint == "run `neuronbuild apply`"
    assert not settings.output.exists()


def test_nothing_asked_is_nothing_done(settings, recipe):
    report = api.apply(recipe(platforms=["inf2"]), replace(settings, platforms=("cpu",)))
    assert (report.outcomes, report.releases) == ((), ())


def test_every_name_of_the_room_is_there():
    assert all(getattr(api, name) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = api.missing
