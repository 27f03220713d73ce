from __future__ import annotations

import threading

import pytest

from neuronbuild.errors import StoreError, StoreOutageError
from neuronbuild.store.remote_store import AT_A_TIME, RemoteStore
from tests.doubles.toolchain import wait_until
from tests.limits import SOON
from tests.unit.store.artifacts import key_of, put
from tests.unit.store.layers import far_memory, near_memory


@pytest.fixture
def far():
    return RemoteStore(far_memory())


def fail(error):
    def work(_):
        raise error

    return work


def test_an_answer_is_handed_on(far):
    assert far.ask(lambda store: store.location, "else") == "memory:far"


def test_an_outage_is_told_once_and_asked_again(far, caplog):
    for _ in range(3):
        cause = StoreError("memory:far", "it can't be reached", hint="check the network")
        assert far.ask(fail(StoreOutageError("memory:far", cause)), "else") == "else"
    assert far.ask(lambda _: "answer", "else") == "answer"
    (record,) = caplog.records
    assert "it can't be reached (check the network); going on without it" in record.getMessage()


def test_what_another_store_does_wrong_is_raised(far):
    with pytest.raises(StoreError, match="disk"):
        far.ask(fail(StoreError("/near", "the disk is full")), None)


def test_an_upload_says_when_it_is_over_and_what_came_of_it(far):
    go, over = threading.Event(), threading.Event()
    far.upload(key_of(1), lambda _: go.wait(SOON) and 5, then=over.set)
    assert far.is_uploading(key_of(1))
    assert not over.is_set()
    go.set()
    assert far.finish() == ["1 shared with memory:far (5 bytes)"]
    assert over.is_set()
    assert not far.is_uploading(key_of(1))


def test_a_failed_upload_is_told_with_what_to_do(far):
    over = threading.Event()
    far.upload(key_of(1), fail(StoreError("memory:far", "access is denied")), then=over.set)
    (line,) = far.finish()
    assert "access is denied; `neuronbuild cache push`" in line
    assert over.is_set()


def test_a_far_artifact_is_brought_near_once(far):
    near = near_memory()
    assert not far.pull(near, key_of(1))
    put(far.store, 1)
    assert far.pull(near, key_of(1))
    assert near.lookup(key_of(1)) is not None


def test_a_store_that_refuses_writes_is_still_read_and_not_written_again(far, caplog):
    denied = StoreError("memory:far", "access is denied")
    assert far.ask(fail(denied), "else", writes=True) == "else"
    assert far.ask(lambda _: pytest.fail("it was asked again"), "else", writes=True) == "else"
    assert far.ask(lambda _: "answer", "else") == "answer"
    (record,) = caplog.records
    assert "access is denied; nothing is sent there" in record.getMessage()


def test_a_store_that_refuses_to_be_read_is_left_out_and_told_once(far, caplog):
    for _ in range(3):
        assert far.ask(fail(StoreError("memory:far", "there is no such bucket")), "else") == "else"
    assert far.ask(lambda _: pytest.fail("it was asked again"), "else") == "else"
    assert far.ask(lambda _: pytest.fail("it was asked again"), "else", writes=True) == "else"
    (record,) = caplog.records
    assert "no such bucket; going on without it" in record.getMessage()


def test_a_strict_one_fails_where_it_may_not_be_read_but_not_for_an_outage_or_a_write():
    far = RemoteStore(far_memory(), strict=True)
    problem = StoreError("memory:far", "there is no such bucket")
    assert far.ask(fail(StoreOutageError("memory:far", problem)), "else") == "else"
    assert far.ask(fail(problem), "else", writes=True) == "else"
    for _ in range(2):
        with pytest.raises(StoreError, match="no such bucket"):
            far.ask(fail(problem), "else")


def test_what_is_called_off_is_never_sent_and_what_has_begun_is_finished(far):
    go, begun, over, sent = threading.Event(), [], [], []

    def work(number):
        def send(_):
            begun.append(number)
            assert go.wait(SOON)
            sent.append(number)
            return 5

        return send

    for number in range(10):
        far.upload(key_of(number + 1), work(number), then=lambda number=number: over.append(number))
    wait_until(lambda: len(begun) == AT_A_TIME)
    far.call_off()
    assert sorted(over) == list(range(AT_A_TIME, 10))  # their leases are let go at once
    go.set()
    shared, left = far.finish()
    assert sorted(sent) == list(range(AT_A_TIME))
    assert shared == f"{AT_A_TIME} shared with memory:far ({5 * AT_A_TIME} bytes)"
    assert f"{10 - AT_A_TIME} not shared with memory:far: the build ended before; `neuronbuild cache push`" in left
    assert sorted(over) == list(range(10))
