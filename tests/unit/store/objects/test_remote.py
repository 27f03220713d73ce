from __future__ import annotations

import random

import pytest

from neuronbuild.digest import PIECE, digest_whole_and_pieces
from neuronbuild.store.objects import retry
from neuronbuild.store.objects.remote import RemoteObjects
from tests.unit.store.backends import MemoryBackend, failing


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)


def test_of_a_transfer_of_many_requests_only_the_one_that_failed_is_made_again(tmp_path):
    (tmp_path / "large").write_bytes(random.Random(1).randbytes(9 * PIECE + 5))
    digest, pieces = digest_whole_and_pieces(tmp_path / "large")
    asked = []
    backend = failing(
        MemoryBackend(), lambda verb, number: asked.append(verb) or (verb, number) in {("put_part", 4), ("receive", 1)}
    )
    objects = RemoteObjects(backend)
    objects.add_file("v1/large", tmp_path / "large", pieces)
    assert asked.count("put_part") == 10 + 1
    objects.read_to("v1/large", tmp_path / "back", "copy", pieces)
    assert asked.count("receive") == 3 + 1
    assert digest_whole_and_pieces(tmp_path / "back")[0] == digest


def test_a_listing_goes_on_at_the_page_that_failed():
    asked = []
    backend = failing(MemoryBackend(), lambda verb, number: asked.append(verb) or (verb, number) == ("list_page", 1))
    objects = RemoteObjects(backend)
    for number in range(8):
        objects.write(f"v1/{number}", b"bytes")
    assert [entry.name for entry in objects.list("v1/")] == [f"v1/{number}" for number in range(8)]
    assert asked.count("list_page") == 3 + 1
