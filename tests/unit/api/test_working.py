from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from neuronbuild import api
from neuronbuild.api.prepare import Context, make_full_plan, prepare
from neuronbuild.api.working import Work
from neuronbuild.build.progress import Silent
from neuronbuild.errors import BlobCorruptError
from tests.flows.checkpoints import pickle
from tests.flows.stores import blob_of, copy_store, flip_a_byte, manifest, records
from tests.unit.store.disks import make_read_only, mounted


def test_a_damaged_conversion_is_made_again_within_the_same_apply(settings, recipe, models, tmp_path):
    made = recipe(model=str(pickle(models["fill-mask"], tmp_path / "pickled")))
    store = Path(settings.cache)
    before = records(store)
    [release] = api.apply(made, settings).releases
    [conversion] = [key for key in records(store) - before if manifest(store, key)["action"]["kind"] == "convert"]
    flip_a_byte(blob_of(store, conversion, "weights.safetensors"))
    (release.folder / "README.md").unlink()
    assert [one.written for one in api.apply(made, settings).releases] == [True]
    assert len(list((store / "quarantine").iterdir())) == 1


def test_damage_that_cant_be_put_aside_ends_the_work(settings, recipe, tmp_path):
    with mounted(tmp_path / "disk", "size=64m"):
        store = copy_store(Path(settings.cache), tmp_path / "disk/store")
        settings = replace(settings, cache=str(store))
        [outcome] = api.apply(recipe(), settings).outcomes
        flip_a_byte(blob_of(store, outcome.step.action.key, "model.pt2"))
        make_read_only(tmp_path / "disk")
        context = Context.open(settings)
        prepared = prepare(recipe(dynamic_batch_size=True), context)
        with pytest.raises(BlobCorruptError):
            Work(prepared, context, Silent()).build_and_release(make_full_plan(prepared, context.store))
