from __future__ import annotations

import errno
import os

import pytest

from neuronbuild.errors import DestinationError, StoreError
from neuronbuild.store.objects.local import LocalObjects

NAME = "v1/blobs/sha256/ab/abcd"


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path / "store")


def test_a_listing_follows_no_links(objects, tmp_path):
    objects.write(NAME, b"bytes")
    (tmp_path / "store/v1/away").symlink_to(tmp_path)
    (tmp_path / "store/v1/file").symlink_to(tmp_path / "store" / NAME)
    assert [entry.name for entry in objects.list("v1/")] == [NAME]


def test_a_link_says_how_it_was_made(objects, tmp_path):
    objects.write(NAME, b"bytes")
    assert objects.read_to(NAME, tmp_path / "a", "hardlink") == "hardlink"
    assert objects.read_to(NAME, tmp_path / "b", "copy") == "copy"
    assert objects.read_to("v1/absent", tmp_path / "c", "auto") is None


def test_a_folder_that_may_not_be_entered_is_a_store_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    objects = LocalObjects(tmp_path / "store")
    objects.write(NAME, b"bytes")
    (tmp_path / "store/v1").chmod(0)
    try:
        with pytest.raises(StoreError, match="Permission denied"):
            list(objects.list("v1/"))
        with pytest.raises(StoreError, match="Permission denied"):
            objects.read(NAME)
    finally:
        (tmp_path / "store/v1").chmod(0o755)


def test_a_pipe_in_an_objects_place_is_told_and_not_waited_on(objects):
    objects.local_path(NAME).parent.mkdir(parents=True)
    os.mkfifo(objects.local_path(NAME))
    with pytest.raises(StoreError, match="no regular file"):
        objects.read(NAME)


def test_a_destination_that_cant_be_written_is_no_fault_of_the_store(objects, tmp_path):
    objects.write(NAME, b"bytes")
    with pytest.raises(DestinationError, match="nowhere/file can't be written: No such file") as caught:
        objects.read_to(NAME, tmp_path / "nowhere/file", "copy")
    assert caught.value.cause.errno == errno.ENOENT


def test_a_path_is_that_of_the_object_or_of_the_folder(objects, tmp_path):
    assert objects.local_path(NAME) == tmp_path / "store" / NAME
    assert objects.local_path() == tmp_path / "store"
