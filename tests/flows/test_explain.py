"""`explain`, and what `plan` says of misses, through the command line."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import run_cli
from tests.flows.stores import refused
from tests.unit.api.explained import make_workspace, record_all

RECIPE = "model: ../model\ntask: fill-mask\nshapes: {batch_size: [1, 2], sequence_length: 16}\ncompiler: {optlevel: 1}\n"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A recipe whose two targets are in the store."""
    root = tmp_path_factory.mktemp("explained")
    recipe = make_workspace(root, RECIPE)
    return root, record_all(recipe, root / "cache")


def explained(*arguments, cwd):
    """What `explain --json` prints."""
    done = run_cli("explain", *arguments, "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_recipe_is_shown_with_the_origin_of_every_value(workspace):
    root, (key, _) = workspace
    lines = run_cli("explain", "recipes/one.yaml", cwd=root).stdout.splitlines()
    assert lines[0] == f"one forward on cpu (batch_size=1, sequence_length=16)  {key}"
    assert re.fullmatch(r"  compiler.optlevel: 1 +# recipes/one.yaml:4", lines[2])
    assert all("  # " in line for line in lines[1:-1])
    assert lines[-1] == "  … and 1 other target, of other graphs or shapes: --json has all"


def test_the_json_of_a_recipe_has_every_target(workspace):
    root, keys = workspace
    told = explained("recipes", cwd=root)
    assert (told["version"], [each["key"] for each in told["actions"]]) == (1, keys)
    assert {"path": ["task"], "value": "fill-mask", "origin": "recipes/one.yaml:2"} in told["actions"][1]["fields"]


def test_an_artifact_is_shown_by_the_beginning_of_its_key(workspace):
    root, (key, _) = workspace
    lines = run_cli("explain", key[:12], cwd=root).stdout.splitlines()
    assert lines[0] == key
    assert "  shape.batch_size: 1" in lines
    [action] = explained(key[:12], cwd=root)["actions"]
    assert {"path": ["shape", "batch_size"], "value": 1, "origin": None} in action["fields"]


def test_two_artifacts_are_compared(workspace):
    root, (key, other) = workspace
    done = run_cli("explain", key[:12], other[:12], cwd=root)
    assert done.stdout == f"{key[:12]} -> {other[:12]}: 1 difference\n  batch_size 1 -> 2\n"
    assert explained(key, other, cwd=root) == {
        "version": 1,
        "before": key,
        "after": other,
        "differences": [{"path": ["shape", "batch_size"], "before": 1, "after": 2}],
    }
    same = run_cli("explain", key, key, cwd=root).stdout
    assert same == f"{key[:12]} -> {key[:12]}: 0 differences\n"


def test_what_is_neither_a_recipe_nor_a_key_is_refused(workspace):
    root, (key, _) = workspace
    assert "no artifact's key begins with ffffffffffff" in refused(2, "explain", "f" * 12, cwd=root)
    assert "nowhere.yaml:1:1: no such file or folder" in refused(2, "explain", "nowhere.yaml", cwd=root)
    assert "recipes is not the beginning of a key" in refused(2, "explain", "recipes", key, cwd=root)
    assert "3 keys were given" in refused(2, "explain", key, key, key, cwd=root)
    (root / "mistyped.yaml").write_text(RECIPE.replace("task", "tsak"))
    assert "mistyped.yaml:2:1: unknown key 'tsak'; did you mean 'task'?" in refused(2, "explain", "mistyped.yaml", cwd=root)


def test_a_plan_says_why_each_miss_is_one(workspace, tmp_path):
    root, (_, key) = workspace
    recipe = make_workspace(tmp_path, RECIPE.replace("[1, 2]", "[2, 4]"), hidden_size=64)
    arguments = ("plan", recipe, "--cache", root / "cache")
    first, second = [line for line in run_cli(*arguments, cwd=tmp_path).stdout.splitlines() if line.startswith("  + ")]
    assert first.endswith(f"  not in the store; nearest {key[:12]}: hidden_size 32 -> 64")
    assert second.endswith(f"  not in the store; nearest {key[:12]}: batch_size 2 -> 4, hidden_size 32 -> 64")
    [step, _] = json.loads(run_cli(*arguments, "--json", cwd=tmp_path).stdout)["steps"]
    assert (step["reason"], step["nearest"]) == (
        "not in the store",
        {"key": key, "differences": [{"path": ["model", "config", "hidden_size"], "before": 32, "after": 64}]},
    )
    [line] = {line.partition("  not")[2] for line in run_cli("plan", cwd=tmp_path).stdout.splitlines() if "  + " in line}
    assert line == " in the store; no similar artifact is known here"
