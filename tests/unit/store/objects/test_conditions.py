from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.location import open_objects
from tests.doubles.quirky import serving

NAME = "v1/a"


@pytest.mark.parametrize("quirk", ["no-conditions", "no-conditions-400", "ignores-conditions", "no-tags", "other-tags"])
def test_where_no_condition_counts_that_is_told_once_and_writers_look_before_and_after(quirk, caplog):
    with serving(quirk) as server:
        objects = open_objects(server.location())
        first = objects.write(NAME, b"first", None)
        assert first
        assert objects.write(NAME, b"second", None) is None
        second = objects.write(NAME, b"second", first)
        assert second not in {None, first}
        assert objects.write(NAME, b"third", first) is None
        assert not objects.delete(NAME, first)
        assert objects.delete(NAME, second)
        (record,) = [record for record in caplog.records if "conditional" in record.getMessage()]
        assert "no lease is exclusive there" in record.getMessage()
        assert [entry.name for entry in objects.list("")] == []


@pytest.mark.parametrize("quirk", ["no-tags", "other-tags"])
def test_a_version_that_was_seen_before_conditions_were_tried_is_still_known(quirk):
    with serving(quirk) as server:
        objects = open_objects(server.location())
        objects.write(NAME, b"first")
        seen = objects.look(NAME)
        second = objects.write(NAME, b"second", seen.tag)
        assert second is not None
        assert not objects.delete(NAME, seen.tag)
        assert objects.delete(NAME, second)


def test_of_two_who_write_at_once_without_conditions_the_last_one_has_it(monkeypatch):
    with serving("no-conditions") as server:
        location = server.location()
        one, other = open_objects(location), open_objects(location)
        put = one._backend.put

        def put_and_be_followed(*asked):
            tag = put(*asked)
            if b"one" in asked:
                other.write(NAME, b"other")
            return tag

        monkeypatch.setattr(one._backend, "put", put_and_be_followed)
        assert one.write(NAME, b"one", None) is None
        assert one.read(NAME) == b"other"


def test_a_strict_server_is_asked_for_conditions_quietly(caplog):
    with serving() as server:
        assert open_objects(server.location()).honours_conditions()
        assert server.objects == {}
    assert caplog.records == []


def test_a_bucket_that_may_be_written_and_not_read_is_told():
    with serving("no-read") as server, pytest.raises(StoreError, match="just put there can't be read") as caught:
        open_objects(server.location()).write(NAME, b"bytes", None)
    assert "s3:GetObject" in caught.value.hint
    assert "(AccessDenied: Access Denied, to GetObject)" in str(caught.value)


def test_a_page_in_the_place_of_an_object_that_was_put_is_shown():
    with serving("html") as server, pytest.raises(StoreError, match=r"begins: Sign in to the guest network\)"):
        open_objects(server.location()).write(NAME, b"bytes", None)
