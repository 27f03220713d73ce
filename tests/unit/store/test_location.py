from __future__ import annotations

import os
from pathlib import Path

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.objects.local import LocalObjects
from neuronbuild.store.objects.memory import MemoryObjects


def test_memory_is_a_store_of_its_own_each_time():
    one, other = open_store("memory:"), open_store("memory:")
    assert isinstance(one.objects, MemoryObjects)
    assert one.objects is not other.objects


def test_a_path_is_a_folder_that_needs_not_be_there_yet(tmp_path):
    store = open_store(str(tmp_path / "cache"))
    assert isinstance(store.objects, LocalObjects)
    assert not (tmp_path / "cache").exists()


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store("~/cache").objects.root == tmp_path / "cache"


def test_a_link_to_a_folder_is_a_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert open_store(str(tmp_path / "link")).location == str(tmp_path / "link")


def test_a_file_is_no_store(tmp_path):
    Path(tmp_path, "file").touch()
    with pytest.raises(StoreError, match="it is a file") as caught:
        open_store(str(tmp_path / "file"))
    assert "--cache" in caught.value.hint


def test_what_looks_like_an_address_is_no_folder_by_that_name():
    with pytest.raises(StoreError, match="isn't a kind of store"):
        open_store("https://example.com/cache")


@pytest.mark.parametrize("location", ["", "  ", "~no-such-user/cache", "x" * 300])
def test_what_cant_be_a_folder_is_a_store_error_with_a_hint(location):
    with pytest.raises(StoreError) as caught:
        open_store(location)
    assert "name a folder" in caught.value.hint


def test_a_folder_that_may_not_be_entered_is_a_store_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(StoreError, match="Permission denied"):
        open_store(str(tmp_path / "closed/cache"))


def test_a_remote_doesnt_show_its_password():
    shown = repr(Remote("s3://team?endpoint_url=http://user:hunter2@host", read_only=True))
    assert shown == "Remote('s3://team?endpoint_url=http://***@host', read_only=True)"
