from __future__ import annotations

import json

import pytest

from neuronbuild.digest import ActionKey, digest_bytes
from neuronbuild.store.index import ManifestIndex
from tests.unit.store.artifacts import key_of

FILES = [("model.pt2", digest_bytes(b"graph")), ("constants.safetensors", digest_bytes(b"constants"))]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "index.json"


@pytest.fixture
def saved(file):
    index = ManifestIndex(file)
    index.put(key_of(1), "stamp", FILES)
    index.save()
    return file


def test_what_was_put_is_there_for_the_same_stamp_only(file):
    index = ManifestIndex(file)
    index.put(key_of(1), "stamp", FILES)
    assert index.get(key_of(1), "stamp") == FILES
    assert index.get(key_of(1), "later") is None
    assert index.get(key_of(2), "stamp") is None


def test_what_was_saved_is_there_for_the_next_process(saved):
    assert ManifestIndex(saved).get(key_of(1), "stamp") == FILES
    assert [path.name for path in saved.parent.iterdir()] == ["index.json"]


def test_without_a_file_nothing_is_written(tmp_path):
    index = ManifestIndex(None)
    index.put(key_of(1), "stamp", FILES)
    index.save()
    assert index.get(key_of(1), "stamp") == FILES
    assert list(tmp_path.iterdir()) == []


def test_nothing_new_is_not_saved(saved):
    saved.write_text("{}")
    index = ManifestIndex(saved)
    index.get(key_of(1), "stamp")
    index.save()
    assert saved.read_text() == "{}"


def test_what_was_dropped_is_gone_for_the_next_process_too(saved):
    index = ManifestIndex(saved)
    index.drop(key_of(1))
    index.drop(key_of(2))
    index.save()
    assert ManifestIndex(saved).get(key_of(1), "stamp") is None


def test_a_folder_that_isnt_there_only_costs_speed(tmp_path):
    index = ManifestIndex(tmp_path / "no/such/index.json")
    index.put(key_of(1), "stamp", FILES)
    index.save()
    assert index.get(key_of(1), "stamp") == FILES


@pytest.mark.parametrize("digest", ["ab", 7, None, "../../etc/passwd"])
def test_an_entry_with_a_digest_that_is_none_is_forgotten(saved, digest):
    entries = json.loads(saved.read_text())
    entries["other"] = ["stamp", [["model.pt2", digest, 5]]]
    saved.write_text(json.dumps(entries))
    index = ManifestIndex(saved)
    assert index.get(ActionKey("other"), "stamp") is None
    assert index.get(key_of(1), "stamp") == FILES
