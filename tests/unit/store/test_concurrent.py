from __future__ import annotations

import threading
import time

import pytest

from neuronbuild.store.concurrent import do_each
from tests.limits import SOON


def test_results_are_in_the_order_of_what_they_are_of():
    last = threading.Event()

    def work(number):
        assert last.wait(SOON) if number == 0 else True
        if number == 5:
            last.set()
        return number * 2

    assert do_each(work, range(6), at_a_time=2, name="test") == [0, 2, 4, 6, 8, 10]
    assert do_each(work, [], at_a_time=2, name="test") == []


def test_after_an_error_nothing_is_begun_and_what_is_under_way_is_finished():
    running, failed, begun, ended = threading.Event(), threading.Event(), [], []

    def work(number):
        begun.append(number)
        if number == 0:  # the oldest takes the longest
            running.set()
            assert failed.wait(SOON)
            ended.append(number)
        elif number == 1:
            assert running.wait(SOON)
            raise OSError("no room")
        else:  # a free thread may take some before the rest is called off, and has the time for all
            time.sleep(0.02)

    threading.Timer(1.6, failed.set).start()
    with pytest.raises(OSError, match="no room"):
        do_each(work, range(60), at_a_time=2, name="test")
    assert ended == [0]
    assert len(begun) < 60


def test_what_is_under_way_is_told_to_stop_after_an_error():
    running, stopped, told = threading.Event(), threading.Event(), []

    def work(number):
        if number == 0:
            running.set()
            return stopped.wait(SOON)
        assert running.wait(SOON)
        raise OSError("no room")

    def stop():
        told.append("stop")
        stopped.set()

    with pytest.raises(OSError, match="no room"):
        do_each(work, range(2), at_a_time=2, name="test", stop=stop)
    assert told == ["stop"]
    assert do_each(str, range(2), at_a_time=2, name="test", stop=stop) == ["0", "1"]
    assert told == ["stop"]
