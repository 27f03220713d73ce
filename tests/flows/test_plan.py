"""`plan` and `validate` for programs: the JSON contract and the exit status."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TEXT, run_cli, write_recipe
from tests.flows.stores import copy_store, records, refused

STEP = {"arguments", "recipe", "model", "task", "platform", "graph", "shape", "key", "state", "reason", "preflight", "nearest"}


@pytest.fixture(scope="module")
def half_known(models, built, tmp_path_factory):
    """A recipe of two shapes, one of which `built` has compiled."""
    root = tmp_path_factory.mktemp("half-known")
    shapes = {"batch_size": [2], "sequence_length": [16, 24]}
    write_recipe(root / "recipes/partly.yaml", model=str(models["fill-mask"]), shapes=shapes)
    write_recipe(root / "known/known.yaml", model=str(models["fill-mask"]), shapes=TEXT)
    return root


def test_the_json_of_a_plan_is_as_promised(models, built, half_known):
    done = run_cli("plan", "--json", "--cache", built.cache, cwd=half_known)
    plan = json.loads(done.stdout)
    assert set(plan) == {"version", "steps", "summary"}
    assert (plan["version"], plan["summary"]) == (1, {"steps": 2, "hit": 1, "miss": 1})
    assert all(set(step) == STEP for step in plan["steps"])
    known, unknown = plan["steps"]
    assert known["shape"] == {"batch_size": 2, "sequence_length": 16}
    assert (known["recipe"], known["model"], known["task"]) == ("partly", str(models["fill-mask"]), "fill-mask")
    assert (known["platform"], known["graph"], known["state"]) == ("cpu", "forward", "hit")
    assert (unknown["state"], unknown["reason"]) == ("miss", "not in the store")
    assert known["key"] in records(built.cache)
    assert len(unknown["key"]) == 64
    assert unknown["key"] not in records(built.cache)


def test_only_the_json_goes_to_stdout(built, half_known):
    done = run_cli("plan", "--json", "--cache", built.cache, cwd=half_known)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_the_exit_status_tells_on_request_that_something_must_be_compiled(built, half_known):
    cache = ("--cache", built.cache)
    assert run_cli("plan", *cache, cwd=half_known).returncode == 0
    assert run_cli("plan", "--detailed-exitcode", *cache, cwd=half_known).returncode == 10
    assert run_cli("plan", "--detailed-exitcode", "known", *cache, cwd=half_known).returncode == 0


def test_a_plan_for_people_names_what_is_missing_and_what_is_there(built, half_known):
    lines = run_cli("plan", "--cache", built.cache, cwd=half_known).stdout.splitlines()
    assert lines[0].startswith("partly  (fill-mask, cpu, ")
    assert lines[1].startswith("  + forward  batch_size=2, sequence_length=24  ")
    assert lines[2].startswith("  = forward  batch_size=2, sequence_length=16  ")
    assert lines[-1] == "Plan: 2 targets, 1 to compile, 1 in the store."


def test_planning_writes_nothing(built, half_known, tmp_path):
    store = tmp_path / "not-there-yet"
    assert run_cli("plan", "--cache", store, cwd=half_known).returncode == 0
    assert not store.exists()


def test_what_apply_says_has_the_plans_steps_and_what_came_of_them(built):
    report = built.report
    assert set(report) == {"version", "steps", "releases", "failures", "summary"}
    assert report["version"] == 1
    assert set(report["summary"]) == {"steps", "reused", "built", "failed", "skipped"}
    assert all(set(step) == STEP | {"outcome", "seconds", "error"} for step in report["steps"])
    assert all(set(release) == {"recipe", "platform", "folder"} for release in report["releases"])


def test_the_key_doesnt_depend_on_where_recipes_store_and_releases_are(models, built, tmp_path):
    write_recipe(tmp_path / "elsewhere/called-differently.yaml", model=str(models["fill-mask"]), shapes=TEXT)
    store = copy_store(built.cache, tmp_path / "moved")
    done = run_cli("plan", "elsewhere", "--json", "--cache", store, cwd=tmp_path)
    assert json.loads(done.stdout)["summary"] == {"steps": 1, "hit": 1, "miss": 0}


def test_valid_recipes_are_counted(built):
    done = run_cli("validate", cwd=built.root)
    assert (done.returncode, done.stdout) == (0, f"{len(built.releases)} recipes, no faults\n")


def test_every_fault_in_every_recipe_is_told_with_its_place(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/a.yaml").write_text("model: ./m\nshapes:\n  batch_size: 1\n  sequence_lenght: 8\n")
    (tmp_path / "recipes/b.yaml").write_text("model: ./m\ntsak: fill-mask\nshapes: {batch_size: 0}\n")
    for command in ("validate", "plan", "apply"):
        said = refused(2, command, cwd=tmp_path)
        assert "recipes/a.yaml:4:3: unknown axis 'sequence_lenght'; did you mean 'sequence_length'?" in said
        assert "recipes/b.yaml:2:1: unknown key 'tsak'; did you mean 'task'?" in said
        assert "recipes/b.yaml:3:10: " in said


def test_no_recipe_at_all_is_told(tmp_path):
    assert "recipes:1:1: no such file or folder" in refused(2, "plan", cwd=tmp_path)


def test_a_platform_that_doesnt_exist_is_a_wrong_use(tmp_path):
    assert "'gpu' is not one of" in refused(2, "apply", "--platform", "gpu", cwd=tmp_path)
