from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.location import open_objects
from tests.doubles.quirky import Stored, serving

NAMES = [f"v1/{letter}" for letter in "abcdefg"]


def listed(server) -> list[str]:
    """The names that a place lists, of which the server has some and others beside them."""
    objects = open_objects(server.location())
    prefix = objects._backend.inner._prefix
    for name in (*(prefix + name for name in NAMES), f"{prefix}w", "other/v1/a", f"{prefix[:-1]}0/v1/z"):
        server.objects[name] = Stored(b"")
    return [entry.name for entry in objects.list("v1/")]


@pytest.mark.parametrize(
    "quirks",
    [
        (),
        ("small-pages",),
        ("small-pages", "older-listing"),
        ("small-pages", "old-listing"),
        ("small-pages", "foreign-keys", "no-tags", "no-dates"),
    ],
)
def test_a_listing_comes_to_its_end_whatever_its_pages_are_like(quirks):
    with serving(*quirks) as server:
        assert listed(server) == NAMES


def test_a_server_that_doesnt_know_the_newer_listing_is_asked_for_it_once():
    with serving("old-listing", "small-pages") as server:
        assert listed(server) == NAMES
        assert sum(request.query.get("list-type") == "2" for request in server.seen) == 1


def test_a_listing_without_an_end_is_told():
    with serving("endless-listing") as server, pytest.raises(StoreError, match="doesn't come to an end"):
        listed(server)
