"""A store that loses or garbles bytes: noticed, put aside, and made again; never served."""

from __future__ import annotations

import json

import pytest
import torch

from neuronbuild.models import open_model
from tests.conftest import run_cli
from tests.flows.stores import (
    applied,
    blob_of,
    contents,
    copy_store,
    flip_a_byte,
    folder_of,
    manifest,
    records,
    refused,
)
from tests.flows.test_tasks_run import eager_outputs
from tests.unit.runtime.releases import random_inputs


@pytest.fixture
def store(built, tmp_path):
    return copy_store(built.cache, tmp_path / "store")


def keys_of(built, recipe: str) -> list[str]:
    return [step["key"] for step in built.report["steps"] if step["recipe"] == recipe]


def plan(built, store, recipe: str) -> list[tuple[str, str]]:
    """State and reason of each step."""
    done = run_cli("plan", f"recipes/{recipe}.yaml", "--json", "--cache", store, cwd=built.root)
    assert done.returncode == 0, done.stderr
    return [(step["state"], step["reason"]) for step in json.loads(done.stdout)["steps"]]


HIT = ("hit", "in the store")


def test_a_file_that_is_lost_is_the_only_one_to_compile_again(built, store):
    blob_of(store, keys_of(built, "grid")[1], "model.pt2").unlink()
    assert plan(built, store, "grid") == [HIT, ("miss", "its file model.pt2 is missing from the store"), HIT]


def test_garbled_code_is_noticed_put_aside_and_compiled_again_alone(models, built, store, tmp_path):
    garbled = blob_of(store, keys_of(built, "grid")[0], "model.pt2")
    flip_a_byte(garbled)
    assert plan(built, store, "grid") == [HIT, HIT, HIT]  # of the right size: only reading it tells
    report = applied("recipes/grid.yaml", "--cache", store, "--output", tmp_path / "out", cwd=built.root)
    assert [step["outcome"] for step in report["steps"]] == ["built", "reused", "reused"]
    assert report["stderr"].count("compiling") == 1
    assert f"blob {garbled.name} holds other bytes" in report["stderr"]
    assert [file.name.rpartition("_")[2] for file in (store / "quarantine").iterdir()] == [garbled.name]
    assert garbled.is_file(), "a second compile gives the same bytes"
    assert {manifest(store, key)["action"]["kind"] for key in records(store) - records(built.cache)} <= {"check"}
    inputs = random_inputs(1, 8)
    expected = eager_outputs(models["feature-extraction"], "feature-extraction", inputs).last_hidden_state
    assert torch.allclose(open_model(folder_of(report, "grid"))(**inputs).last_hidden_state, expected, atol=1e-4)


def test_a_file_that_is_cut_short_counts_as_missing(built, store):
    file = blob_of(store, keys_of(built, "quick")[0], "model.pt2")
    size = file.stat().st_size
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:1000])
    assert plan(built, store, "quick") == [
        ("miss", f"its file model.pt2 is damaged in the store: 1,000 bytes instead of {size:,}")
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\0" * 100])
def test_a_manifest_that_cant_be_read_counts_as_missing(built, store, text):
    [key] = keys_of(built, "quick")
    file = store / f"v1/actions/{key[:2]}/{key}.json"
    file.chmod(0o644)
    file.write_text(text)
    assert plan(built, store, "quick") == [("miss", "its manifest in the store can't be read")]


def test_a_manifest_with_one_other_digit_counts_as_missing(built, store):
    [key] = keys_of(built, "quick")
    file = store / f"v1/actions/{key[:2]}/{key}.json"
    text = file.read_text()
    file.chmod(0o644)
    file.write_text(text.replace('"max_abs_error": {', '"max_abs_error": {"made_up": 1.0, ', 1))
    assert file.read_text() != text
    assert plan(built, store, "quick") == [("miss", "its manifest in the store can't be read")]


def test_a_manifest_moved_to_another_key_is_not_believed(built, store):
    files = [store / f"v1/actions/{key[:2]}/{key}.json" for recipe in ("quick", "half") for key in keys_of(built, recipe)]
    files[1].replace(files[0])
    assert plan(built, store, "quick") == [("miss", "its manifest in the store can't be read")]


def test_an_edit_in_a_release_is_undone_by_the_next_apply(built, store, tmp_path):
    arguments = ("recipes/quick.yaml", "--cache", store, "--output", tmp_path / "out")
    release = folder_of(applied(*arguments, cwd=built.root), "quick")
    before = contents(release)
    flip_a_byte(release / "vocab.txt")
    report = applied(*arguments, cwd=built.root)
    assert report["summary"]["built"] == 0
    assert f"release {release} written" in report["stderr"]
    assert contents(release) == before
    assert "written" not in applied(*arguments, cwd=built.root)["stderr"]


def test_an_edit_through_a_hard_link_spoils_neither_store_nor_release_for_good(built, store, tmp_path):
    arguments = ("recipes/quick.yaml", "--cache", store, "--output", tmp_path / "out", "--link-mode", "hardlink")
    release = folder_of(applied(*arguments, cwd=built.root), "quick")
    code = next(release.glob("buckets/*/model.pt2"))
    flip_a_byte(code)  # the store's blob is the same file
    assert "model.pt2 was altered" in refused(6, "run", release, "the cat", cwd=tmp_path)
    report = applied(*arguments, cwd=built.root)
    assert "holds other bytes" in report["stderr"]
    assert report["summary"]["built"] == 1
    assert run_cli("run", release, "the cat", cwd=tmp_path).returncode == 0
    assert run_cli("cache", "verify", "--cache", store, cwd=tmp_path).returncode == 0
