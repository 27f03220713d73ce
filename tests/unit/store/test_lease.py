from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.lease import ObjectLease, hold_lease, take_lease
from neuronbuild.store.location import open_objects, open_store
from neuronbuild.store.names import LEASES, lease_name
from tests.doubles import s3
from tests.doubles.toolchain import ROOT
from tests.limits import SOON
from tests.unit.store.artifacts import key_of, put
from tests.unit.store.disks import make_read_only, small_disk

KEY = key_of(1)
HOLDER = """
import sys
from neuronbuild.store.location import open_store
with open_store(sys.argv[1]).acquire_lease(sys.argv[2], lambda _: True) as lease:
    print(lease is not None, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def lock(store):
    return store.objects.root / LEASES / f"{KEY}.lock"


@contextlib.contextmanager
def other_holder(store):
    """Another process that holds the lease until its input ends."""
    command = [sys.executable, "-c", HOLDER, store.location, KEY]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def give_up(_: str) -> bool:
    return False


def test_two_processes_exclude_each_other(store):
    with other_holder(store) as other:
        with store.acquire_lease(KEY, give_up) as held:
            assert not held
        other.stdin.close()
        with store.acquire_lease(KEY, lambda _: True) as held:
            assert held


def test_other_actions_are_free(store):
    with other_holder(store), store.acquire_lease(key_of(2), give_up) as held:
        assert held


def test_a_dead_holders_lease_is_free_at_once(store, lock):
    with other_holder(store) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert lock.exists()
        with store.acquire_lease(KEY, give_up) as held:
            assert held


def test_two_threads_exclude_each_other(store):
    asked = threading.Event()
    outcome = []

    def wait() -> None:
        with store.acquire_lease(KEY, lambda _: not asked.set()) as held:
            outcome.append(held is not None)

    thread = threading.Thread(target=wait)
    with store.acquire_lease(KEY, give_up):
        thread.start()
        assert asked.wait(SOON)
        assert outcome == []
    thread.join(10)
    assert outcome == [True]


def test_waiting_goes_on_until_it_is_given_up(store):
    looks = iter([True, True, False])
    with store.acquire_lease(KEY, give_up), store.acquire_lease(KEY, lambda _: next(looks)) as held:
        assert not held
    assert list(looks) == []


def test_a_waiter_whose_lock_file_goes_still_gets_its_turn(store):
    turns = []

    def wait() -> None:
        with store.acquire_lease(KEY, lambda _: True) as held:
            turns.append(held is not None)

    thread = threading.Thread(target=wait)
    with other_holder(store) as other:
        thread.start()
        put(store, 1)
        other.stdin.close()
        thread.join(10)
    assert turns == [True]


def test_the_lock_file_goes_once_the_artifact_is_recorded(store, lock):
    with store.acquire_lease(KEY, give_up):
        assert lock.exists()
        put(store, 1)
    assert not lock.exists()


def test_the_lock_file_stays_where_nothing_was_recorded(store, lock):
    with store.acquire_lease(KEY, give_up):
        pass
    assert lock.exists()


def test_an_error_inside_lets_the_lease_go(store):
    with pytest.raises(ValueError, match="oops"), store.acquire_lease(KEY, give_up):
        raise ValueError("oops")
    with store.acquire_lease(KEY, give_up) as held:
        assert held


def test_a_store_that_breaks_meanwhile_lets_the_lease_go(store):
    def broken() -> bool:
        raise StoreError(store.location, "it broke")

    with hold_lease(store.objects, KEY, give_up, done=broken):
        pass
    with store.acquire_lease(KEY, give_up) as held:
        assert held


def test_a_link_in_the_place_of_a_lease_is_refused_by_name(store, lock, tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    lock.parent.mkdir(parents=True)
    lock.symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match=f"{KEY}.lock"), store.acquire_lease(KEY, lambda _: True):
        pass
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_link_in_the_place_of_the_folder_of_leases_is_refused_by_name(store, lock, tmp_path):
    (tmp_path / "documents").mkdir()
    lock.parent.parent.mkdir(parents=True)
    lock.parent.symlink_to(tmp_path / "documents")
    with pytest.raises(StoreError, match="v1/leases is a link"), store.acquire_lease(KEY, lambda _: True):
        pass
    assert list((tmp_path / "documents").iterdir()) == []


def test_a_store_that_cant_be_written_gives_no_lease(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        lease = open_store(str(disk)).acquire_lease(KEY, give_up)
        with pytest.raises(StoreError, match="no lease can be taken: Read-only") as caught, lease:
            pass
        assert "--cache" in caught.value.hint


class TestWhereLeasesAreObjects:
    """Leases in a place that no kernel watches: written again and again, and lost by silence."""

    @pytest.fixture(params=["memory", "ministack"])
    def objects(self, request, servers):
        return open_objects("memory:" if request.param == "memory" else s3.location(servers("ministack")))

    @staticmethod
    def take(objects, waiting=give_up, ttl=30.0):
        return take_lease(objects, KEY, waiting, done=lambda: False, ttl=ttl)

    def test_one_holder_at_a_time(self, objects):
        lease = self.take(objects)
        assert lease.renew()
        assert self.take(objects) is None
        lease.release()
        assert list(objects.list("v1/leases/")) == []
        self.take(objects).release()

    def test_it_names_its_holder(self, objects):
        lease = self.take(objects)
        names = []
        self.take(objects, names.append)
        assert names == [f"process {os.getpid()} on {socket.gethostname()}"]
        lease.release()

    def test_a_silent_holder_loses_it_and_is_fenced(self, objects, monkeypatch):
        monkeypatch.setattr(ObjectLease, "_beat", lambda _: None)
        first = self.take(objects, ttl=0.5)
        second = self.take(objects, lambda _: True, ttl=0.5)
        assert not first.renew()
        assert second.renew()
        first.release()
        assert second.renew()
        assert json.loads(objects.read(lease_name(KEY)))["fence"] == 2
        second.release()

    def test_a_holder_that_speaks_keeps_it(self, objects):
        lease = self.take(objects, ttl=1.5)
        end = time.monotonic() + 4
        assert self.take(objects, lambda _: time.monotonic() < end, ttl=1.5) is None
        assert lease.renew()
        lease.release()

    def test_a_dead_holder_on_this_machine_loses_it_at_once(self, objects):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        lease = self.take(objects)
        said = json.loads(objects.read(lease_name(KEY)))
        lease.release()
        objects.write(lease_name(KEY), json.dumps({**said, "process": child, "started": "1", "ttl": 3600}).encode())
        other = self.take(objects)
        assert other is not None
        other.release()

    @pytest.mark.parametrize(
        "data", [b"", b"[]", b"{}", b"\xff", b'{"ttl": 1e99}', b'{"ttl": -1}', b'{"ttl": "x", "process": []}']
    )
    def test_a_lease_that_says_nonsense_goes_by_silence_too(self, objects, data):
        objects.write(lease_name(KEY), data)
        assert self.take(objects, ttl=0.3) is None
        lease = self.take(objects, lambda _: b"1e99" not in data, ttl=0.3)
        assert (lease is None) == (b"1e99" in data)
        if lease is not None:
            lease.release()

    def test_of_many_one_gets_it(self, objects):
        with ThreadPoolExecutor(16) as pool:
            leases = list(pool.map(lambda _: self.take(objects), range(16)))
        (lease,) = [lease for lease in leases if lease is not None]
        lease.release()
