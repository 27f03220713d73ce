from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from neuronbuild.api import known_actions
from neuronbuild.api.known_actions import FILE, KnownActions, explain_misses
from neuronbuild.digest import digest_json
from neuronbuild.errors import StoreError
from neuronbuild.memo import Memo
from neuronbuild.plan.planner import MISSING
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name
from neuronbuild.store.sharing import SharingPolicy
from tests.doubles.toolchain import fake_plan
from tests.unit.store.artifacts import key_of, put


@pytest.fixture
def store(tmp_path):
    """A store in a folder that has the first two artifacts."""
    store = open_store(str(tmp_path / "store"))
    for number in (1, 2):
        put(store, number)
    return store


def nearest(store, *numbers):
    """The keys that the misses of a plan of these steps are nearest to."""
    return [step.nearest and step.nearest.key for step in explain_misses(fake_plan(list(numbers), store), store).steps]


def remembered(store):
    return json.loads((store.objects.root / FILE).read_text())


def test_a_miss_is_explained_by_what_the_store_has_and_a_hit_by_nothing(store):
    made = explain_misses(fake_plan([2, 3], store), store)
    hit, miss = made.steps
    assert hit.nearest is None
    assert (miss.reason, miss.nearest.key) == (MISSING, key_of(2))
    assert miss.explanation == f"not in the store; nearest {key_of(2)[:12]}: batch_size 2 -> 3"


def test_what_was_read_once_is_not_read_again(store, monkeypatch):
    assert nearest(store, 5) == [key_of(2)]
    reads = []
    monkeypatch.setattr(KnownActions, "_learn", lambda self, key: reads.append(key))
    again = open_store(store.location)
    assert nearest(again, 5) == [key_of(2)]
    assert reads == []


def test_what_was_recorded_since_is_read(store):
    nearest(store, 5)
    put(store, 4)
    assert nearest(store, 5) == [key_of(4)]


def test_what_was_removed_is_not_named_and_forgotten(store):
    nearest(store, 5)
    store.objects.delete(action_name(key_of(2)))
    assert nearest(store, 5) == [key_of(1)]
    assert key_of(2) not in remembered(store)


def test_what_all_actions_of_a_grid_share_is_kept_once_and_as_long_as_one_of_them(store):
    nearest(store, 5)
    assert sorted(map(len, remembered(store).values())) == [1, 3, 3]
    for number in (1, 2):
        store.objects.delete(action_name(key_of(number)))
    assert nearest(store, 5) == [None]
    assert remembered(store) == {}


def test_only_what_was_used_last_is_looked_at(store, monkeypatch):
    monkeypatch.setattr(known_actions, "MOST", 1)
    os.utime(store.objects.root / action_name(key_of(2)), (1, 1))
    assert nearest(store, 3) == [key_of(1)]


def test_a_plan_without_misses_reads_and_writes_nothing(store):
    explain_misses(fake_plan(2, store), store)
    assert not (store.objects.root / FILE).exists()


def test_nothing_is_made_of_a_store_that_isnt_there(tmp_path):
    store = open_store(str(tmp_path / "none"))
    assert nearest(store, 1) == [None]
    assert not (tmp_path / "none").exists()


def test_a_miss_that_lacks_a_file_says_that_alone(store):
    for blob in Path(store.objects.root, "v1/blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o600)
            blob.unlink()
    [step] = explain_misses(fake_plan([1], store), store).steps
    assert step.nearest is None
    assert step.explanation == step.reason == "its file model.pt2 is missing from the store"


def test_the_near_one_of_layers_is_looked_at_and_a_store_elsewhere_isnt(store):
    layered = LayeredStore(store, [], SharingPolicy())
    assert nearest(layered, 3) == [key_of(2)]
    memory = open_store("memory:")
    put(memory, 1)
    assert nearest(memory, 3) == [None]


def test_an_action_of_another_kind_is_no_candidate_and_not_read_again(store):
    check = {"kind": "check", "format": 1}
    key = digest_json(check).sha256
    store.objects.write(action_name(key), json.dumps({"action": check}).encode())
    assert nearest(store, 3) == [key_of(2)]
    assert remembered(store)[key] == []


HOSTILE = {
    "no JSON": b"\xff",
    "no mapping": b"[]",
    "too deep": b'{"action":' * 500 + b"1" + b"}" * 500,
    "no action": b'{"action": 7}',
    "the action of another key": json.dumps({"action": {"kind": "compile", "shape": {}, "graph": "forward"}}).encode(),
    "a number that isn't finite": b'{"action": {"a": NaN}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_is_none_is_passed_over(store, name):
    store.objects.write(action_name("f" * 64), HOSTILE[name])
    assert nearest(store, 3) == [key_of(2)]
    assert "f" * 64 not in remembered(store)


STRANGE = {
    "sizes that are none": {"shape": {"batch_size": -1}},
    "a shape that is none": {"shape": []},
    "parts that are none": {"shape": {"batch_size": 1}, "toolchain": 1, "model": [], "compiler": None, "task": {}},
    "too much": {"shape": {"batch_size": 1}, "model": {"config": {"a": "x" * 100_000}}},
}


@pytest.mark.parametrize("name", STRANGE)
def test_an_action_of_a_strange_form_does_no_harm(store, name):
    action = {"kind": "compile", "graph": "forward", **STRANGE[name]}
    store.objects.write(action_name(digest_json(action).sha256), json.dumps({"action": action}).encode())
    assert nearest(store, 3) == [key_of(2)]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 7}', "null"])
def test_a_damaged_memory_is_made_again(store, text):
    nearest(store, 3)
    (store.objects.root / FILE).write_text(text)
    assert nearest(store, 3) == [key_of(2)]
    assert len(remembered(store)) == 3


@pytest.mark.parametrize("entry", [["{"], ["7"], ["[" * 100_000]])
def test_a_damaged_entry_costs_the_explanation_and_nothing_else(store, entry):
    nearest(store, 3)
    entries = {name: entry if len(each) == 1 else each for name, each in remembered(store).items()}
    (store.objects.root / FILE).write_text(json.dumps(entries))
    assert nearest(store, 3) == [None]


def test_a_store_that_cant_be_listed_costs_the_explanation_and_nothing_else(store, monkeypatch):
    def refuse(prefix):
        raise StoreError(store.location, "no entry")

    monkeypatch.setattr(store.objects, "list", refuse)
    known = KnownActions(store.objects, Memo(None, bool))
    assert known.read() == ([], {})
