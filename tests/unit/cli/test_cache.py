from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from click.testing import CliRunner

from neuronbuild.artifact.codec import encode
from neuronbuild.cli.cache import cache_group
from neuronbuild.errors import NewerRecordError, StoreError, UsageError
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name
from neuronbuild.store.objects.local import LocalObjects
from tests.conftest import run_cli
from tests.unit.store.artifacts import key_of, make_newer, put


def run(*arguments: object):
    done = CliRunner().invoke(cache_group, list(map(str, arguments)), standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


@pytest.fixture(scope="module")
def conversion(built):
    rows = json.loads(run("ls", "--json", "--cache", built.cache).stdout)["artifacts"]
    return next(row for row in rows if row["kind"] == "convert")


def test_what_isnt_a_compile_is_listed_as_what_it_is(conversion):
    assert (conversion["task"], conversion["shape"], conversion["platform"]) == ("-", "-", "cpu")
    assert conversion["size"] > 0


def test_a_conversion_is_shown_with_its_source(built, conversion):
    shown = json.loads(run("show", conversion["key"], "--json", "--cache", built.cache).stdout)
    assert set(shown["action"]["weights"]) == {"model.safetensors"}
    assert [file["path"] for file in shown["files"]] == ["weights.safetensors"]


def test_keys_are_matched_from_their_beginning(built, conversion):
    with pytest.raises(UsageError, match="no artifact's key begins with"):
        run("show", conversion["key"][1:], "--cache", built.cache)


def test_a_location_that_cant_be_a_store_is_refused():
    with pytest.raises(StoreError, match="this isn't a kind of store"):
        run("ls", "--cache", "ftp://somewhere")


HOSTILE = "a\x1b]0;x\x07b\nc\rd\x9b31me\u202ef"
SHOWN = "a\\x1b]0;x\\x07b\\nc\\rd\\x9b31me\\u202ef"


@pytest.fixture
def hostile(tmp_path):
    """A shared store with an artifact that speaks to terminals wherever it may."""
    store = open_store(str(tmp_path / "far"))
    plain = put(store, 1)
    made = replace(plain.provenance, tool=HOSTILE, built_at=HOSTILE)
    log = store.add_bytes(f"first {HOSTILE}\nlast\n".encode())
    changed = replace(plain, facts={"model": HOSTILE, "notes": [HOSTILE]}, provenance=made, log=log)
    store.objects.write(action_name(plain.key), encode(changed))
    return plain.key


@pytest.mark.parametrize(("command", "times"), [("ls", 2), ("show", 5)])
def test_what_a_strangers_artifact_says_does_nothing_to_a_terminal(hostile, tmp_path, command, times):
    keys = [hostile] if command == "show" else []
    done = run_cli("cache", command, *keys, "--remote", tmp_path / "far", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line for line in (done.stdout + done.stderr).split("\n") if not line.isprintable()] == []
    assert done.stdout.count(SHOWN) == times


def test_a_log_is_shown_line_by_line_and_does_nothing_to_a_terminal(hostile, tmp_path):
    shown = run("show", hostile, "--log", "--remote", tmp_path / "far").stdout
    assert shown.split("\n") == [*f"first {SHOWN}".split("\\n"), "last", ""]


def test_json_of_a_strangers_artifact_is_ascii_and_says_what_it_says(hostile, tmp_path):
    listed = run_cli("cache", "ls", "--json", "--remote", tmp_path / "far", cwd=tmp_path).stdout
    shown = run_cli("cache", "show", hostile, "--json", "--remote", tmp_path / "far", cwd=tmp_path).stdout
    assert json.loads(listed)["artifacts"][0]["model"] == json.loads(shown)["facts"]["model"] == HOSTILE
    assert [line for line in (listed + shown).split("\n") if not (line.isascii() and line.isprintable())] == []


def test_the_table_stays_aligned_whatever_a_name_holds(hostile, tmp_path):
    put(open_store(str(tmp_path / "far")), 2)
    heading, *lines = run("ls", "--remote", tmp_path / "far").stdout.splitlines()
    assert len(lines) == 2
    assert {line.index("batch_size=") for line in lines} == {heading.index("SHAPE")}


def test_to_look_at_an_artifact_is_no_use_of_it(tmp_path, monkeypatch):
    store = open_store(str(tmp_path))
    put(store, 1)
    os.utime(tmp_path / action_name(key_of(1)), (0, 0))
    touched = []
    monkeypatch.setattr(LocalObjects, "touch", lambda _, name: touched.append(name))
    for command in (["ls"], ["show", key_of(1)], ["show", key_of(1), "--log"], ["show", key_of(1), "--json"]):
        run(*command, "--cache", tmp_path)
    assert touched == []
    store.lookup(key_of(1))
    assert touched == [action_name(key_of(1))]


def test_what_cant_be_shown_says_why(tmp_path):
    store = open_store(str(tmp_path))
    make_newer(store, 1)
    put(store, 2)
    store.objects.write(action_name(key_of(2)), b"{}")
    with pytest.raises(NewerRecordError):
        run("show", key_of(1), "--cache", tmp_path)
    with pytest.raises(StoreError, match="can't be read"):
        run("show", key_of(2), "--cache", tmp_path)
