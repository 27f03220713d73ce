from __future__ import annotations

import shutil
import threading

import pytest

from neuronbuild.release.swap import put_in_place


def folder(path, text: str):
    path.mkdir()
    (path / "one").write_text(text)
    (path / "two").write_text(text)
    return path


def names(root):
    return sorted(path.name for path in root.iterdir())


def test_a_new_folder_takes_its_place(tmp_path):
    put_in_place(folder(tmp_path / "fresh", "new"), tmp_path / "place")
    assert (tmp_path / "place/one").read_text() == "new"
    assert names(tmp_path) == ["place"]


def test_an_old_folder_is_replaced_whole(tmp_path):
    (folder(tmp_path / "place", "old") / "three").write_text("old")
    put_in_place(folder(tmp_path / "fresh", "new"), tmp_path / "place")
    assert names(tmp_path / "place") == ["one", "two"]
    assert names(tmp_path) == ["place"]


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path):
    folder(tmp_path / "place", "old")
    folder(tmp_path / "fresh.old", "older")
    put_in_place(folder(tmp_path / "fresh", "new"), tmp_path / "place")
    assert names(tmp_path) == ["place"]


def test_a_file_system_without_the_exchange_gets_two_renames(tmp_path, monkeypatch):
    monkeypatch.setattr("neuronbuild.release.swap.RENAME_EXCHANGE", 1 << 20)  # no flag that any kernel knows: EINVAL
    folder(tmp_path / "place", "old")
    folder(tmp_path / "fresh.old", "older")
    put_in_place(folder(tmp_path / "fresh", "new"), tmp_path / "place")
    assert (tmp_path / "place/one").read_text() == "new"
    assert names(tmp_path) == ["place"]


def test_a_fresh_folder_that_isnt_there_leaves_the_old_one(tmp_path):
    folder(tmp_path / "place", "old")
    with pytest.raises(OSError, match="place"):
        put_in_place(tmp_path / "fresh", tmp_path / "place")
    assert (tmp_path / "place/one").read_text() == "old"


def test_a_reader_sees_the_folder_at_every_moment(tmp_path):
    place, stop, missing = folder(tmp_path / "place", "0"), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if not (place / "one").is_file():
                missing.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(300):
        put_in_place(folder(tmp_path / "fresh", str(turn)), place)
    stop.set()
    for reader in readers:
        reader.join()
    assert missing == []
    assert (place / "one").read_text() == "299"


def test_an_open_folder_goes_on_to_be_readable_while_it_is_replaced(tmp_path):
    place = folder(tmp_path / "place", "old")
    with (place / "one").open() as file:
        put_in_place(folder(tmp_path / "fresh", "new"), place)
        assert file.read() == "old"
    shutil.rmtree(place)
