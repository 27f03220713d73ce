"""`cache`: what the store holds, and whether it is whole."""

from __future__ import annotations

import json
import shutil

import pytest

from neuronbuild.artifact.manifest import FORMAT
from tests.conftest import run_cli
from tests.flows.stores import blob_of, copy_store, flip_a_byte, records, refused


@pytest.fixture(scope="module")
def whole(built, tmp_path_factory):
    """A store of which every byte is right: `built` may have been given one with records of other versions in it."""
    store = copy_store(built.cache, tmp_path_factory.mktemp("whole") / "store")
    run_cli("cache", "verify", "--repair", "--cache", store, cwd=store)
    shutil.rmtree(store / "quarantine", ignore_errors=True)
    return store


@pytest.fixture
def store(whole, tmp_path):
    return copy_store(whole, tmp_path / "store")


def a_compile(built) -> str:
    return next(step["key"] for step in built.report["steps"] if step["recipe"] == "fill-mask")


def test_every_artifact_is_listed(built, whole, tmp_path):
    lines = run_cli("cache", "ls", "--cache", whole, cwd=tmp_path).stdout.splitlines()
    assert lines[0].split() == ["KEY", "MODEL", "TASK", "SHAPE", "PLATFORM", "SIZE", "AGE"]
    assert sorted(line.split()[0] for line in lines[1:]) == sorted(key[:12] for key in records(whole))
    [line] = [line for line in lines if line.startswith(a_compile(built)[:12])]
    assert line.split()[1:5] == ["fill-mask", "fill-mask", "batch_size=2,", "sequence_length=16"]


def test_the_list_for_programs_has_the_same(whole, tmp_path):
    done = run_cli("cache", "ls", "--json", "--cache", whole, cwd=tmp_path)
    listed = json.loads(done.stdout)
    assert listed["version"] == 1
    assert {row["key"] for row in listed["artifacts"]} == records(whole)
    assert all(row["size"] > 0 for row in listed["artifacts"] if row["kind"] == "compile")


def test_an_empty_store_lists_nothing(tmp_path):
    done = run_cli("cache", "ls", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 artifacts\n")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_isnt_there_is_not_sound(tmp_path):
    done = run_cli("cache", "verify", "--cache", "nosuch", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "error: store nosuch: there is no such folder" in done.stderr


def test_what_a_newer_version_recorded_is_told_as_that(built, whole, tmp_path):
    key = a_compile(built)
    store = copy_store(whole, tmp_path / "store")
    file = store / f"v1/actions/{key[:2]}/{key}.json"
    file.chmod(0o644)
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": FORMAT + 1}))
    shown = run_cli("cache", "show", key[:12], "--cache", store, cwd=tmp_path)
    assert shown.returncode == 4
    assert "is recorded by a newer version of neuronbuild" in shown.stderr
    verified = run_cli("cache", "verify", "--cache", store, cwd=tmp_path)
    assert verified.returncode == 0
    assert "(1 recorded by a newer version of neuronbuild, not checked)" in verified.stdout


def test_an_artifact_is_shown_by_the_beginning_of_its_key(built, whole, tmp_path):
    key = a_compile(built)
    shown = json.loads(run_cli("cache", "show", key[:12], "--json", "--cache", whole, cwd=tmp_path).stdout)
    assert shown["key"] == key
    assert shown["action"]["task"] == "fill-mask"
    assert {file["path"] for file in shown["files"]} == {"model.pt2", "constants.safetensors"}


def test_the_compilers_log_is_shown(built, whole, tmp_path):
    done = run_cli("cache", "show", a_compile(built), "--log", "--cache", whole, cwd=tmp_path)
    assert done.returncode == 0


def test_a_key_that_no_artifact_or_several_have_is_a_wrong_use(whole, tmp_path):
    cache = ("--cache", whole)
    assert "no artifact's key begins with zzz" in refused(2, "cache", "show", "zzz", *cache, cwd=tmp_path)
    assert f"{len(records(whole))} artifacts' keys begin" in refused(2, "cache", "show", "", *cache, cwd=tmp_path)


def test_the_log_of_a_check_is_not_kept_and_that_is_told(whole, tmp_path):
    artifacts = json.loads(run_cli("cache", "ls", "--json", "--cache", whole, cwd=tmp_path).stdout)["artifacts"]
    check = next(row["key"] for row in artifacts if row["kind"] == "check")
    assert "is not in the store" in refused(2, "cache", "show", check, "--log", "--cache", whole, cwd=tmp_path)


def test_a_whole_store_verifies(whole, tmp_path):
    done = run_cli("cache", "verify", "--json", "--cache", whole, cwd=tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["version"], report["damages"]) == (1, [])
    assert report["artifacts"] == len(records(whole))
    assert report["bytes"] > 0


def test_a_flipped_byte_is_found_and_repair_puts_the_artifact_aside(built, whole, store, tmp_path):
    key = a_compile(built)
    blob = blob_of(store, key, "model.pt2")
    flip_a_byte(blob)
    found = run_cli("cache", "verify", "--cache", store, cwd=tmp_path)
    assert found.returncode == 1
    assert f"v1/blobs/sha256/{blob.name[:2]}/{blob.name}: it holds other bytes" in found.stdout
    assert "names files whose bytes are missing or damaged: model.pt2" in found.stdout
    assert blob.exists()

    repaired = run_cli("cache", "verify", "--repair", "--cache", store, cwd=tmp_path)
    assert (repaired.returncode, repaired.stdout) == (1, found.stdout)
    assert records(store) == records(whole) - {key}
    assert run_cli("cache", "verify", "--cache", store, cwd=tmp_path).returncode == 0
    assert len(list((store / "quarantine").iterdir())) == 2


def test_after_a_repair_the_plan_says_what_must_be_compiled(built, store):
    flip_a_byte(blob_of(store, a_compile(built), "constants.safetensors"))
    run_cli("cache", "verify", "--repair", "--cache", store, cwd=built.root)
    done = run_cli("plan", "recipes/fill-mask.yaml", "--detailed-exitcode", "--json", "--cache", store, cwd=built.root)
    [step] = json.loads(done.stdout)["steps"]
    assert (done.returncode, step["state"], step["reason"]) == (10, "miss", "not in the store")
