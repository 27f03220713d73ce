from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.memory import MemoryObjects


def stamps(objects):
    return {entry.name: entry.stamp for entry in objects.list("v1/")}


def test_its_location_is_its_name():
    assert MemoryObjects().location == "memory:"


def test_two_stores_share_nothing():
    one, other = MemoryObjects(), MemoryObjects()
    one.write("v1/a", b"bytes")
    assert other.read("v1/a") is None


def test_no_stamp_comes_twice_though_bytes_lie_where_others_lay():
    objects, seen = MemoryObjects(), set()
    for number in range(100):
        objects.write("v1/a", b"%d" % number * 100)
        seen.add(stamps(objects)["v1/a"])
    assert len(seen) == 100


def test_a_move_is_no_rewrite():
    objects = MemoryObjects()
    objects.write("v1/a", b"bytes")
    before = stamps(objects)["v1/a"]
    objects.move("v1/a", "v1/b")
    assert stamps(objects) == {"v1/b": before}


def test_a_place_that_cant_be_written_is_a_store_error(tmp_path):
    objects = MemoryObjects()
    objects.write("v1/a", b"bytes")
    with pytest.raises(StoreError, match="can't be written: No such file"):
        objects.read_to("v1/a", tmp_path / "no/such/folder")
