from __future__ import annotations

import threading

import pytest

from neuronbuild.errors import StoreBusyError, StoreError, StoreOutageError
from neuronbuild.store.objects import retry
from neuronbuild.store.objects.retry import CircuitBreaker, RetryPolicy

PROBLEM = StoreError("far", "it can't be reached")


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


class Place:
    """Fails as it is told to, and counts how often it was asked."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault:
            raise FAULTS[fault]
        return "answer"


FAULTS = {
    "outage": StoreOutageError("far", PROBLEM),
    "busy": StoreBusyError("far", "slow down"),
    "final": StoreError("far", "denied"),
    "bug": ConnectionError("bug"),
}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    return clock


@pytest.fixture
def breaker(clock):
    return CircuitBreaker("far", RetryPolicy(unknown=2.0, known=30.0, closed=20.0))


@pytest.mark.parametrize("faults", [(), ("outage",), ("outage", "busy", "outage")])
def test_a_short_trouble_is_waited_out(breaker, faults):
    assert breaker.call(Place(*faults)) == "answer"


def test_waits_grow_and_differ(breaker, clock):
    breaker.call(lambda: "answer")
    breaker.call(Place(*["outage"] * 6))
    assert len(set(clock.naps)) == 6
    assert clock.naps[-1] > clock.naps[0]
    assert max(clock.naps) <= retry.LONGEST_DELAY


def test_a_place_that_never_answered_isnt_waited_for_long(breaker, clock):
    with pytest.raises(StoreOutageError, match="can't be reached"):
        breaker.call(Place(*["outage"] * 1000))
    assert clock.now <= 2.0 + retry.LONGEST_DELAY


def test_a_place_that_answered_is_waited_for(breaker, clock):
    breaker.call(lambda: "answer")
    with pytest.raises(StoreOutageError):
        breaker.call(Place(*["outage"] * 1000))
    assert 30.0 <= clock.now <= 30.0 + retry.LONGEST_DELAY


def test_one_that_is_gone_isnt_asked_for_a_while_and_then_once(breaker, clock):
    place = Place(*["outage"] * 1000)
    with pytest.raises(StoreOutageError):
        breaker.call(place)
    asked = place.asked
    for _ in range(10):
        with pytest.raises(StoreOutageError):
            breaker.call(place)
    assert place.asked == asked
    clock.now += 21
    with pytest.raises(StoreOutageError):
        breaker.call(place)
    assert place.asked == asked + 1
    clock.now += 21
    place.faults.clear()
    assert breaker.call(place) == breaker.call(place) == "answer"


def test_a_final_answer_is_final(breaker, clock):
    with pytest.raises(StoreError, match="denied"):
        breaker.call(Place("final"))
    assert clock.naps == []


def test_a_place_that_stays_busy_is_told_as_such_and_stays_open(breaker):
    with pytest.raises(StoreError, match="slow down") as caught:
        breaker.call(Place(*["busy"] * 1000))
    assert not isinstance(caught.value, StoreOutageError)
    assert breaker.call(Place()) == "answer"


def test_what_is_no_trouble_of_the_place_comes_through(breaker):
    with pytest.raises(ConnectionError, match="bug"):
        breaker.call(Place("bug"))


def test_of_many_who_ask_after_the_pause_one_gets_through():
    breaker = CircuitBreaker("far", RetryPolicy(unknown=0.0, known=0.0, closed=0.2))
    with pytest.raises(StoreOutageError):
        breaker.call(Place("outage"))
    threading.Event().wait(0.25)
    barrier, place = threading.Barrier(17), Place(*["outage"] * 100)

    def ask() -> None:
        barrier.wait()
        with pytest.raises(StoreOutageError):
            breaker.call(place)

    threads = [threading.Thread(target=ask) for _ in range(17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.asked == 1
