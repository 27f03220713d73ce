from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from neuronbuild.artifact.manifest import FileEntry, Manifest, Provenance
from neuronbuild.cli.plan import SHOWN, _lines
from neuronbuild.store.location import open_store
from tests.conftest import TEXT, run_cli, write_recipe
from tests.doubles.toolchain import fake_plan
from tests.flows.test_untrusted_input import CONFIG, WEIGHTS
from tests.tools.terminal import command_on_terminal, seen_on_terminal


def known_store(steps: int):
    """A store that has the first so many fake steps."""
    store = open_store("memory:")
    files = (FileEntry("model.pt2", store.add_bytes(b"code")),)
    for step in fake_plan(steps, store).steps:
        store.record(Manifest(step.action.key, step.action.document, files, Provenance("test", "2026-01-01T00:00:00Z", 1.0)))
    return store


def test_what_is_missing_comes_first_then_what_is_there():
    lines = list(_lines(fake_plan(3, known_store(1))))
    assert lines[0] == "fake  (fill-mask, cpu, ./model)"
    assert [line[:5] for line in lines[1:4]] == ["  + f", "  + f", "  = f"]
    assert lines[-1] == "Plan: 3 targets, 2 to compile, 1 in the store."


def test_a_long_list_is_cut_with_its_count():
    lines = list(_lines(fake_plan(SHOWN * 2 + 1005, known_store(SHOWN + 5))))
    assert len([line for line in lines if line.startswith("  + f")]) == SHOWN
    assert f"  + … and {1005 + SHOWN - 5 - SHOWN:,} more" in lines
    assert "  = … and 5 more" in lines
    assert lines[-1] == "Plan: 1,045 targets, 1,020 to compile, 25 in the store."


def test_nothing_at_all_is_said_so():
    assert list(_lines(fake_plan([], open_store("memory:")))) == ["Plan: 0 targets, 0 to compile, 0 in the store."]


def test_graphs_shapes_and_keys_stand_in_columns_however_long_they_are():
    made = fake_plan([1, 1000, 20], known_store(1))
    first, second, third = made.steps
    lines = list(
        _lines(replace(made, steps=(first, replace(second, target=replace(second.target, graph="decode_all")), third)))
    )
    steps = [line for line in lines if line.startswith(("  + ", "  = "))]
    assert len(steps) == 3
    for column in ("batch_size=", r"[0-9a-f]{12}  "):
        assert len({re.search(column, line).start() for line in steps}) == 1, column
    assert all(line[:14].rstrip() in {"  + forward", "  = forward", "  + decode_all"} for line in steps)


COLOURED = """
from neuronbuild.cli.output import put
from neuronbuild.cli.plan import _coloured, _lines
from tests.doubles.toolchain import fake_plan
from tests.unit.cli.test_plan import known_store
put(*_lines(fake_plan(2, known_store(1))), style=_coloured)
"""


def test_what_is_missing_is_yellow_what_is_there_green_and_headings_are_bold():
    heading, missing, there, summary = seen_on_terminal(COLOURED, "stdout").splitlines()
    assert heading.startswith("\x1b[1mfake  (fill-mask")
    assert missing.startswith("\x1b[33m\x1b[1m  + \x1b[0mforward")
    assert there.startswith("\x1b[32m\x1b[1m  = \x1b[0mforward")
    assert summary.startswith("\x1b[1mPlan: 2 targets")


@pytest.fixture
def workspace(tmp_path):
    """A recipe for a model that has all that a plan looks at."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model/model.safetensors").write_bytes(WEIGHTS)
    write_recipe(tmp_path / "recipes/one.yaml", model="../model", task="fill-mask", shapes=TEXT)
    return tmp_path


def test_a_plan_is_coloured_on_terminals_unless_no_color_is_set(workspace):
    plain = run_cli("plan", cwd=workspace).stdout
    assert "  + forward" in plain
    assert "\x1b" not in plain
    coloured = command_on_terminal("plan", cwd=workspace, columns=200)
    assert "\x1b[33m\x1b[1m  + \x1b[0mforward" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert command_on_terminal("plan", cwd=workspace, columns=200, NO_COLOR="1") == plain
