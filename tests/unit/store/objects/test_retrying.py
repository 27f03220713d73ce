from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError, StoreOutageError
from neuronbuild.store.objects import retry
from neuronbuild.store.objects.retry import RetryPolicy
from neuronbuild.store.objects.retrying import Retrying
from tests.unit.store.backends import REQUESTS, MemoryBackend, failing

ASKED = {
    "get": ("a", 10),
    "receive": ("a", lambda body, size: size),
    "head": ("a",),
    "put": ("a", b"other"),
    "delete": ("a",),
    "copy": ("a", "b"),
    "list_page": ("", None),
    "begin_upload": ("a",),
    "put_part": ("a", "2", 1, b"", bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
    "complete_upload": ("a", "2", ()),
    "abort_upload": ("a", "2"),
    "uploads": ("",),
}


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)


def with_an_object() -> MemoryBackend:
    backend = MemoryBackend()
    backend.put("a", b"bytes")
    assert backend.begin_upload("a") == "2"
    return backend


@pytest.mark.parametrize("verb", REQUESTS)
def test_each_request_is_made_again_until_it_is_answered(verb):
    asked = []
    expected = getattr(with_an_object(), verb)(*ASKED[verb])
    backend = failing(with_an_object(), lambda verb, number: asked.append(verb) or number == 0)
    answer = getattr(Retrying(backend, RetryPolicy()), verb)(*ASKED[verb])
    assert str(answer)[:8] == str(expected)[:8]
    assert asked == [verb, verb]


def test_a_final_answer_is_given_at_once():
    backend = MemoryBackend()

    def refuse(name):
        raise StoreError(backend.location, "access is denied")

    backend.head = refuse
    with pytest.raises(StoreError, match="access is denied"):
        Retrying(backend, RetryPolicy()).head("a")


def test_a_place_that_is_gone_is_an_outage():
    backend, asked = MemoryBackend(), []

    def fail(name):
        asked.append(name)
        raise StoreOutageError(backend.location, StoreError(backend.location, "it can't be reached"))

    backend.head = fail
    retrying = Retrying(backend, RetryPolicy(unknown=0.0))
    for request in (retrying.head, retrying.head, lambda name: retrying.get(name, 10)):
        with pytest.raises(StoreOutageError, match="can't be reached"):
            request("a")
    assert asked == ["a"]
