"""What is compiled once isn't compiled again, whoever asks for it and however it is called."""

from __future__ import annotations

import os
import time

import pytest
import torch
import transformers

import neuronbuild
from tests.conftest import TEXT, write_recipe
from tests.flows import checkpoints
from tests.flows.stores import applied, contents, copy_store, folder_of, records
from tests.flows.test_tasks_run import encode

TASK = "text-classification"


def logits(folder):
    encoded = encode(folder, TASK)
    return neuronbuild.NeuronModelForSequenceClassification.from_pretrained(folder)(**encoded).logits


def eager_logits(folder):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**encode(folder, TASK)).logits


@pytest.fixture(scope="module")
def again(built, tmp_path_factory):
    """The same recipes over the same store, into a folder of releases that isn't there yet."""
    before = records(built.cache)
    report = applied("recipes", "--cache", built.cache, "--output", tmp_path_factory.mktemp("again"), cwd=built.root)
    return {**report, "recorded": records(built.cache) - before}


def test_a_second_apply_compiles_nothing(built, again):
    count = len(built.report["steps"])
    assert again["summary"] == {"steps": count, "reused": count, "built": 0, "failed": 0, "skipped": 0}
    assert "compiling" not in again["stderr"]


def test_releases_are_written_from_the_store_without_another_conversion_or_check(again):
    assert again["recorded"] == set()


def test_the_same_release_is_the_same_bytes(built, again):
    assert {release["recipe"] for release in again["releases"]} == set(built.releases)
    for release in again["releases"]:
        assert contents(folder_of(again, release["recipe"])) == contents(built.releases[release["recipe"]])


def test_a_release_that_is_up_to_date_is_left_alone(built):
    before = {name: folder.stat().st_ino for name, folder in built.releases.items()}
    report = applied("recipes", "--cache", built.cache, cwd=built.root)
    assert {name: folder_of(report, name).stat().st_ino for name in before} == before


def test_another_folder_and_other_label_names_compile_nothing(models, built, tmp_path):
    model = checkpoints.rename_labels(checkpoints.copy_model(models[TASK], tmp_path / "mine"), ["bad", "fair", "good"])
    write_recipe(tmp_path / "recipes/mine.yaml", model=str(model), shapes=TEXT)
    report = applied("--cache", copy_store(built.cache, tmp_path / "store"), cwd=tmp_path)
    assert report["summary"]["built"] == 0
    names = neuronbuild.NeuronModelForSequenceClassification.from_pretrained(folder_of(report, "mine")).config.id2label
    assert names == {0: "bad", 1: "fair", 2: "good"}


def test_fine_tunes_compile_nothing(variants):
    assert variants.report["summary"]["built"] == 0
    assert variants.report["summary"]["failed"] == 0


def test_a_fine_tune_answers_with_its_own_weights(models, variants):
    tuned, _ = variants.models["fine-tune"]
    assert torch.allclose(logits(variants.release("fine-tune")), eager_logits(tuned), atol=1e-4)
    assert not torch.allclose(eager_logits(tuned), eager_logits(models[TASK]), atol=1e-2)


def test_weights_that_change_in_place_are_noticed(models, variants, tmp_path):
    model = checkpoints.copy_model(models[TASK], tmp_path / "model")
    recipe = write_recipe(tmp_path / "recipes/changing.yaml", model=str(model), shapes=TEXT)
    store, weights = copy_store(variants.store, tmp_path / "store"), model / checkpoints.WEIGHTS
    time.sleep(2.1)  # files younger than that are read each time, whatever they look like
    first = folder_of(applied(recipe, "--cache", store, cwd=tmp_path), "changing")
    assert torch.allclose(logits(first), eager_logits(models[TASK]), atol=1e-4)

    state = weights.stat()
    trained = checkpoints.copy_model(models[TASK], tmp_path / "trained", checkpoints.train)
    weights.write_bytes((trained / checkpoints.WEIGHTS).read_bytes())
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)

    report = applied(recipe, "--cache", store, cwd=tmp_path)
    assert report["summary"]["built"] == 0
    assert torch.allclose(logits(folder_of(report, "changing")), eager_logits(trained), atol=1e-4)
