from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from neuronbuild import api
from neuronbuild.api import Settings, working
from neuronbuild.api.prepare import Context, make_full_plan, prepare
from neuronbuild.api.working import Work
from neuronbuild.artifact.codec import decode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.build.progress import Progress, Silent
from neuronbuild.build.report import Outcome
from neuronbuild.errors import BlobCorruptError, SourceError, StoreError
from neuronbuild.plan.planner import Plan
from neuronbuild.runtime.reader import read_release
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name
from tests.conftest import SHAPES, TEXT
from tests.flows.checkpoints import WEIGHTS, copy_model, train
from tests.flows.stores import blob_of, copy_store, flip_a_byte
from tests.unit.store.disks import make_read_only, mounted


def work(recipes, settings, observer: Progress | None = None) -> tuple[Work, Plan]:
    context = Context.open(settings)
    prepared = prepare(recipes, context)
    return Work(prepared, context, observer or Silent()), make_full_plan(prepared, context.store)


def test_where_nothing_is_missing_releases_are_written_at_once(settings, recipe):
    worker, plan = work([*recipe("one"), *recipe("two")], settings)
    outcomes, releases, failures = worker.build_and_release(plan)
    assert [outcome.kind for outcome in outcomes] == ["reused", "reused"]
    assert [(release.recipe, release.written) for release in releases] == [("one", True), ("two", True)]
    assert failures == ()
    assert [release.written for release in work(recipe("one"), settings)[0].release()] == [False]


def test_a_model_that_changed_meanwhile_costs_no_release_but_its_own(settings, recipe, models, tmp_path):
    model = copy_model(models["fill-mask"], tmp_path / "model")
    worker, plan = work([*recipe("one", model=str(model)), *recipe("two")], settings)
    shutil.copy(copy_model(models["fill-mask"], tmp_path / "trained", train) / WEIGHTS, model)
    outcomes, releases, failures = worker.build_and_release(plan)
    assert [outcome.kind for outcome in outcomes] == ["reused", "reused"]
    assert [release.recipe for release in releases] == ["two"]
    assert [(failure.recipe, type(failure.error)) for failure in failures] == [("one", SourceError)]


class Notes(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, text):
        self.noted.append(text)


@pytest.mark.parametrize(("task", "warned"), [("audio-classification", True), ("fill-mask", False)])
def test_whoever_applies_is_told_that_padding_changes_the_results(settings, recipe, models, task, warned):
    notes = Notes()
    shapes = SHAPES.get(task, TEXT)
    worker, plan = work(recipe("heard", model=str(models[task]), task=task, shapes=shapes), settings, notes)
    worker.build_and_release(plan)
    told = "heard: padding changes this model's results; compile the very lengths that are used"
    assert (told in notes.noted) == warned


class Recompiles:
    """Stands for an executor whose compiles make what is in `kept` again, in another time."""

    kept: ClassVar[dict[str, bytes]] = {}

    def __init__(self, toolchains, place, progress, *, keep_going) -> None:
        self.store = place.store

    def run(self, plan, jobs):
        for step in plan.misses:
            manifest = decode(Manifest, self.kept[step.action.key], newest=FORMAT)
            self.store.record(replace(manifest, provenance=replace(manifest.provenance, seconds=99.0)))
        return tuple(Outcome(step, "built") for step in plan.steps)


def test_a_release_that_is_up_to_date_stays_where_only_the_store_is_new(settings, recipe, monkeypatch):
    worker, plan = work(recipe(), settings)
    [release] = worker.build_and_release(plan)[1]
    loaded = read_release(release.folder)
    store, key = open_store(settings.cache), plan.steps[0].action.key
    Recompiles.kept = {key: store.objects.read(action_name(key))}
    store.objects.delete(action_name(key))
    monkeypatch.setattr(working, "Executor", Recompiles)
    worker, plan = work(recipe(), settings)
    assert [step.state for step in plan.steps] == ["miss"]
    outcomes, releases, _ = worker.build_and_release(plan)
    assert store.lookup(key).provenance.seconds == 99.0
    assert ([outcome.kind for outcome in outcomes], [each.written for each in releases]) == (["built"], [False])
    loaded.refuse_replaced()


@pytest.mark.parametrize(
    ("error", "abandon"), [(StoreError("place", "no room"), True), (SourceError("./model", "gone"), False)]
)
def test_after_an_error_of_a_store_what_hasnt_begun_to_be_sent_isnt(tmp_path, monkeypatch, error, abandon):
    context = Context.open(replace(Settings(), cache=str(tmp_path)))
    told = []
    monkeypatch.setattr(type(context.store), "close", lambda _, *, abandon: told.append(abandon) or [])
    with pytest.raises(type(error)), Work([], context, Silent())._open_store():
        raise error
    assert told == [abandon]


def test_damage_that_cant_be_put_aside_ends_the_work(settings, recipe, tmp_path):
    with mounted(tmp_path / "disk", "size=64m"):
        store = copy_store(Path(settings.cache), tmp_path / "disk/store")
        settings = replace(settings, cache=str(store))
        [outcome] = api.apply(recipe(), settings).outcomes
        flip_a_byte(blob_of(store, outcome.step.action.key, "model.pt2"))
        make_read_only(tmp_path / "disk")
        worker, plan = work(recipe(dynamic_batch_size=True), settings)
        with pytest.raises(BlobCorruptError):
            worker.build_and_release(plan)
