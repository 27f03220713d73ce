"""One harm to one request of a push or a pull, at each request: right bytes, or a clear word and a second try that works."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from neuronbuild.digest import PIECE
from neuronbuild.errors import StoreError
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.location import open_store
from neuronbuild.store.transfer import copy_artifact
from tests.doubles import s3
from tests.doubles.proxy import FAULTS, Proxy
from tests.tools.fault_matrix import note
from tests.unit.store.artifacts import get, key_of, put

LARGE = PIECE + 5000


@pytest.fixture(scope="module")
def proxy(servers):
    proxy = Proxy(servers("ministack"))
    yield proxy
    proxy.close()


@pytest.fixture
def near(tmp_path):
    """A near store with one artifact, of several pieces."""
    store = open_store(str(tmp_path / "near"))
    put(store, 1, LARGE)
    return store


def contents_of(near, tmp_path) -> dict[str, bytes]:
    files = get(near, 1, tmp_path)
    assert files is not None
    return files


def count_requests(proxy: Proxy, work) -> int:
    proxy.reset()
    work()
    return len(proxy.seen)


def chosen(requests: int, fault: str, *, every: bool) -> list[int]:
    """All requests, or a seeded one."""
    numbers = list(range(1, requests + 1))
    return numbers if every else [random.Random(fault).choice(numbers)]


def strike(proxy: Proxy, number: int, fault: str, work) -> str:
    """Do some work while one request comes to harm, and say how it went."""
    proxy.reset({number: fault})
    try:
        work()
    except StoreError:
        return "told"
    finally:
        proxy.reset()
    return "absorbed"


sampled = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.soak)])


@sampled
@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_through_any_fault_leaves_the_far_store_whole(proxy, near, tmp_path, fault, every):
    def push_to(far):
        return lambda: copy_artifact(near, far, key_of(1))

    expected = contents_of(near, tmp_path)
    requests = count_requests(proxy, push_to(open_far(proxy)))
    for number in chosen(requests, fault, every=every):
        far = open_far(proxy)
        result = strike(proxy, number, fault, push_to(far))
        assert verify_store(far, repair=False).damages == ()
        copy_artifact(near, far, key_of(1))
        assert get(far, 1, tmp_path) == expected
        note("push", fault, number, requests, result)


@sampled
@pytest.mark.parametrize("fault", FAULTS)
def test_a_pull_through_any_fault_leaves_the_near_store_right(proxy, near, tmp_path, fault, every):
    def pull_to(folder: Path):
        return lambda: copy_artifact(far, open_store(str(folder)), key_of(1))

    expected = contents_of(near, tmp_path)
    far = open_far(proxy)
    copy_artifact(near, far, key_of(1))
    requests = count_requests(proxy, pull_to(tmp_path / "first"))
    for number in chosen(requests, fault, every=every):
        folder = tmp_path / f"pulled{number}"
        result = strike(proxy, number, fault, pull_to(folder))
        assert verify_store(open_store(str(folder)), repair=False).damages == ()
        copy_artifact(far, open_store(str(folder)), key_of(1))
        assert get(open_store(str(folder)), 1, tmp_path) == expected
        assert verify_store(far, repair=False).damages == ()
        note("pull", fault, number, requests, result)


def open_far(proxy: Proxy):
    """A new place behind the proxy that gives up on silence soon."""
    return open_store(s3.location(proxy.endpoint, timeout=5))
