from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.cas import action_name
from neuronbuild.store.lease import LEASES, hold_lease
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import ROOT
from tests.unit.store.artifacts import key_of, put
from tests.unit.store.disks import make_read_only, small_disk

KEY = key_of(1)
HOLDER = """
import sys
from neuronbuild.store.lease import hold_lease
from neuronbuild.store.location import open_store
with hold_lease(open_store(sys.argv[1]), sys.argv[2], lambda: True) as held:
    print(held, flush=True)
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


def give_up() -> bool:
    return False


def test_two_processes_exclude_each_other(store):
    with other_holder(store) as other:
        with hold_lease(store, KEY, give_up) as held:
            assert not held
        other.stdin.close()
        with hold_lease(store, KEY, lambda: True) as held:
            assert held


def test_other_actions_are_free(store):
    with other_holder(store), hold_lease(store, key_of(2), give_up) as held:
        assert held


def test_a_dead_holders_lease_is_free_at_once(store, lock):
    with other_holder(store) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert lock.exists()
        with hold_lease(store, KEY, give_up) as held:
            assert held


def test_two_threads_exclude_each_other(store):
    asked = threading.Event()
    outcome = []

    def wait() -> None:
        with hold_lease(store, KEY, lambda: not asked.set()) as held:
            outcome.append(held)

    thread = threading.Thread(target=wait)
    with hold_lease(store, KEY, give_up):
        thread.start()
        assert asked.wait(10)
        assert outcome == []
    thread.join(10)
    assert outcome == [True]


def test_waiting_goes_on_until_it_is_given_up(store):
    looks = iter([True, True, False])
    with hold_lease(store, KEY, give_up), hold_lease(store, KEY, lambda: next(looks)) as held:
        assert not held
    assert list(looks) == []


def test_a_waiter_whose_lock_file_goes_still_gets_its_turn(store):
    turns = []

    def wait() -> None:
        with hold_lease(store, KEY, lambda: True) as held:
            turns.append(held)

    thread = threading.Thread(target=wait)
    with other_holder(store) as other:
        thread.start()
        put(store, 1)
        other.stdin.close()
        thread.join(10)
    assert turns == [True]


def test_the_lock_file_goes_once_the_artifact_is_recorded(store, lock):
    with hold_lease(store, KEY, give_up):
        assert lock.exists()
        put(store, 1)
    assert not lock.exists()


def test_the_lock_file_stays_where_nothing_was_recorded(store, lock):
    with hold_lease(store, KEY, give_up):
        pass
    assert lock.exists()


def test_an_error_inside_lets_the_lease_go(store):
    with pytest.raises(ValueError, match="oops"), hold_lease(store, KEY, give_up):
        raise ValueError("oops")
    with hold_lease(store, KEY, give_up) as held:
        assert held


def test_a_store_that_breaks_meanwhile_lets_the_lease_go(store):
    manifest = store.objects.path(action_name(KEY))
    with hold_lease(store, KEY, give_up):
        manifest.parent.mkdir(parents=True)
        manifest.symlink_to(manifest)
        with pytest.raises(StoreError, match="symbolic links"):
            store.lookup(KEY)
    with hold_lease(store, KEY, give_up) as held:
        assert held


def test_a_store_in_memory_needs_no_lease():
    store = open_store("memory:")
    with hold_lease(store, KEY, give_up) as one, hold_lease(store, KEY, give_up) as other:
        assert one
        assert other


def test_a_store_that_cant_be_written_gives_no_lease(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        lease = hold_lease(open_store(str(disk)), KEY, give_up)
        with pytest.raises(StoreError, match="no lease can be taken: Read-only") as caught, lease:
            pass
        assert "--cache" in caught.value.hint
