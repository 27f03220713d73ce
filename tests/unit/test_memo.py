from __future__ import annotations

import json
import os
import time

import pytest

from neuronbuild.memo import Memo, is_racy, user_cache


def is_pair(entry):
    return isinstance(entry, list) and len(entry) == 2


def test_what_is_put_is_there_in_the_next_process(tmp_path):
    memo = Memo(tmp_path / "deep/memo.json", is_pair)
    memo.put("a", [1, 2])
    memo.save()
    assert Memo(tmp_path / "deep/memo.json", is_pair).get("a") == [1, 2]
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["memo.json"]


def test_what_is_dropped_is_gone(tmp_path):
    memo = Memo(tmp_path / "memo.json", is_pair)
    memo.put("a", [1, 2])
    memo.save()
    memo.drop("a")
    memo.drop("never there")
    memo.save()
    assert Memo(tmp_path / "memo.json", is_pair).get("a") is None


def test_the_names_of_all_entries_are_known(tmp_path):
    memo = Memo(tmp_path / "memo.json", is_pair)
    memo.put("a", [1, 2])
    memo.put("b", [3, 4])
    memo.drop("a")
    assert memo.names() == {"b"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, '{"a": 7, "b": [1]}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_damaged_file_is_forgotten(tmp_path, text):
    (tmp_path / "memo.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    memo = Memo(tmp_path / "memo.json", is_pair)
    assert memo.get("a") is None
    assert memo.get("b") is None


def test_sound_entries_of_a_file_with_others_are_kept(tmp_path):
    (tmp_path / "memo.json").write_text(json.dumps({"a": [1, 2], "b": "other"}))
    assert Memo(tmp_path / "memo.json", is_pair).get("a") == [1, 2]


@pytest.mark.parametrize("place", ["/proc/none/memo.json", "/dev/null/memo.json"])
def test_a_place_that_cannot_be_written_is_no_error(tmp_path, place):
    memo = Memo(tmp_path / place, is_pair)
    memo.put("a", [1, 2])
    memo.save()
    assert memo.get("a") == [1, 2]


def test_nothing_new_writes_nothing(tmp_path):
    Memo(tmp_path / "memo.json", is_pair).save()
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_file_of_somebody_elses_is_replaced_and_never_written_through(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    for name in ("memo.json", f".memo.json.{os.getpid()}"):
        (tmp_path / name).symlink_to("victim")
    memo = Memo(tmp_path / "memo.json", is_pair)
    memo.put("a", [1, 2])
    memo.save()
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert Memo(tmp_path / "memo.json", is_pair).get("a") == [1, 2]


def test_a_file_counts_as_just_changed_for_two_seconds():
    second = 1_000_000_000
    assert is_racy(100 * second, 102 * second)
    assert not is_racy(100 * second, 103 * second)
    assert is_racy(time.time_ns())
    assert not is_racy(time.time_ns() - 3 * second)


def test_all_entries_are_had_at_once(tmp_path):
    memo = Memo(tmp_path / "memo.json", is_pair)
    memo.put("a", [1, 2])
    memo.put("b", [3, 4])
    assert list(memo.values()) == [[1, 2], [3, 4]]


def test_the_users_cache_is_where_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "neuronbuild"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert user_cache().parts[-2:] == (".cache", "neuronbuild")
