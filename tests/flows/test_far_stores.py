"""Machines that share nothing but an S3 endpoint: they compile each action once, whatever happens to any of them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.doubles import s3
from tests.doubles.proxy import Proxy
from tests.doubles.toolchain import Site, fake_plan, finish, kinds, wait_until
from tests.unit.store.artifacts import assert_whole, key_of

STEPS = 6
LEASE = 3.0


@pytest.fixture
def machines(tmp_path, servers):
    """Make machines with near stores of their own, and one diary of what was compiled on any of them."""

    def make(count: int, acts: dict[int, str] | None = None, remote: str | None = None, lease: float = LEASE) -> list[Site]:
        remote = remote or s3.location(servers("ministack"))
        return [
            Site(tmp_path, acts or {}, location=str(tmp_path / f"near{number}"), remote=remote, lease=lease)
            for number in range(count)
        ]

    return make


def assert_shared(site: Site, steps: int = STEPS) -> None:
    """Everything is in the far store, whole, and nothing else is left there."""
    far = open_store(site.remote)
    report = verify_store(far, repair=False)
    assert (report.artifacts, report.damages) == (steps, ())
    assert fake_plan(steps, far).misses == []
    left = [entry.name.rpartition("/")[2].partition(".")[0] for entry in far.objects.list("v1/leases/")]
    assert all(far.lookup(key) is not None for key in left)  # of a killed builder, and of no meaning: the action is recorded


def test_what_one_machine_compiled_no_other_compiles(machines):
    one, other = machines(2)
    assert kinds(one.build(STEPS)) == ["built"] * STEPS
    assert kinds(other.build(STEPS)) == ["reused"] * STEPS
    assert one.toolchain.compiles() == list(range(1, STEPS + 1))
    assert one.progress.notes == [f"{STEPS} shared with {one.remote} ({shared_bytes(one):,} bytes)"]
    assert_shared(one)


def shared_bytes(site: Site) -> int:
    return sum(entry.size for entry in open_store(site.remote).objects.list("v1/blobs/"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_machines_at_once_divide_the_work_and_compile_each_action_once(machines, jobs):
    sites = machines(2, dict.fromkeys(range(1, STEPS + 1), "slow"))
    said = [finish(process) for process in [site.start(STEPS, jobs=jobs) for site in sites]]
    assert sorted(sites[0].toolchain.compiles()) == list(range(1, STEPS + 1))
    for results in zip(*(each["outcomes"] for each in said), strict=True):
        assert Counter(results) == {"built": 1, "reused": 1}
    assert min(each["outcomes"].count("built") for each in said) >= 2  # none only waits for the other
    assert_shared(sites[0])


@pytest.mark.parametrize("racers", [4, pytest.param(16, marks=pytest.mark.soak)])
def test_many_processes_racing_on_one_action_compile_it_once(machines, racers):
    sites = machines(racers, {1: "slow"})
    said = [finish(process) for process in [site.start(1) for site in sites]]
    assert sites[0].toolchain.compiles() == [1]
    assert Counter(each["outcomes"][0] for each in said) == {"built": 1, "reused": racers - 1}
    assert_shared(sites[0], 1)


def test_a_waiting_machine_says_for_whom(machines):
    one, other = machines(2, {1: "wait"}, lease=30.0)
    first = one.start(1)
    wait_until(lambda: one.toolchain.compiles() == [1])
    second = other.start(1)
    line = second.stderr.readline()
    assert "waiting for another build of it, by process" in line
    one.toolchain.let_go()
    assert [finish(process)["outcomes"] for process in (first, second)] == [["built"], ["reused"]]


def test_a_killed_machines_work_is_taken_over(machines):
    one, other = machines(2, {2: "hang once"})
    first = one.start(STEPS)
    wait_until(lambda: one.toolchain.compiles() == [1, 2])
    first.kill()
    first.communicate()
    assert kinds(other.build(STEPS)).count("built") >= STEPS - 1
    assert Counter(one.toolchain.compiles())[2] == 2
    assert_shared(other)


def test_a_holder_that_was_suspended_past_its_lease_is_fenced(machines):
    one, other = machines(2, {1: "wait"}, lease=1.0)
    first = one.start(1)
    wait_until(lambda: one.toolchain.compiles() == [1])
    os.kill(first.pid, signal.SIGSTOP)
    second = other.start(1)
    wait_until(lambda: one.toolchain.compiles() == [1, 1])
    one.toolchain.let_go()
    assert finish(second)["outcomes"] == ["built"]
    published = open_store(one.remote).objects.read(action_name(key_of(1)))
    os.kill(first.pid, signal.SIGCONT)
    assert finish(first)["outcomes"] == ["reused"]
    assert open_store(one.remote).objects.read(action_name(key_of(1))) == published
    assert_shared(one, 1)


def test_a_machine_without_the_far_store_builds_all_the_same(machines):
    (site,) = machines(1, remote=f"s3://team/x?endpoint_url=http://127.0.0.1:{s3.free_port()}")
    assert kinds(site.build(STEPS)) == ["built"] * STEPS
    (note,) = site.progress.notes
    assert f"{STEPS} not shared" in note
    assert "neuronbuild cache push" in note


@pytest.mark.parametrize("seconds", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_a_zoo_is_built_by_two_machines_through_a_kill_a_corruption_and_an_outage(machines, servers, tmp_path, seconds):
    """The whole promise: each action compiled once (but for the one that was in the killed machine's hands), all verified."""
    steps = 12
    proxy = Proxy(servers("ministack"))
    remote = s3.location(proxy.endpoint)
    one, other = machines(2, {4: "hang once", **dict.fromkeys(range(5, steps + 1), "slow")}, remote, lease=30.0)
    first = one.start(steps)
    wait_until(lambda: one.toolchain.compiles()[-1:] == [4] and len(list(open_store(remote).manifests())) == 3)
    first.kill()
    first.communicate()
    spoil_one_blob(tmp_path / "near0")
    second, third = other.start(steps), one.start(steps)
    wait_until(lambda: len(one.toolchain.compiles()) > 5)
    with proxy.away():
        time.sleep(seconds)
    said = [finish(process) for process in (second, third)]
    assert all(set(each["outcomes"]) <= {"built", "reused"} for each in said)
    assert Counter(one.toolchain.compiles()) == Counter([*range(1, steps + 1), 4])
    assert_shared(one, steps)
    verify_store(open_store(str(tmp_path / "near0")), repair=True)
    for number, site in enumerate((one, other)):  # what was damaged comes back from where it is whole
        assert kinds(site.build(steps)) == ["reused"] * steps
        near = tmp_path / f"near{number}"
        assert assert_whole(near, open_store(str(near))) == steps
    assert len(one.toolchain.compiles()) == steps + 1
    proxy.close()


def spoil_one_blob(location: object) -> None:
    """Change the bytes of a compiled file in a store."""
    store = open_store(str(location))
    name = blob_name(store.lookup(key_of(1)).files[0].digest.sha256)
    data = store.objects.read(name)
    store.objects.write(name, bytes([data[0] ^ 1]) + data[1:])


def test_a_blob_that_is_damaged_far_is_built_again_or_comes_from_whoever_has_it(machines):
    one, other, third = machines(3)
    one.build(STEPS)
    spoil_one_blob(one.remote)
    assert kinds(other.build(STEPS)) == ["built", *["reused"] * (STEPS - 1)]
    assert_shared(one)
    spoil_one_blob(one.remote)
    verify_store(open_store(one.remote), repair=True)
    assert kinds(one.build(STEPS)) == ["reused"] * STEPS
    assert_shared(one)
    assert kinds(third.build(STEPS)) == ["reused"] * STEPS


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 202), marks=pytest.mark.soak)])
def test_after_a_kill_at_any_moment_a_clean_run_ends_well(tmp_path, servers, seeds):
    for seed in seeds:
        acts = {2: "slow", 5: "slow"}
        remote = s3.location(servers("ministack"))
        site = Site(tmp_path / str(seed), acts, remote=remote, lease=2.0)
        process = site.start(STEPS, jobs=2)
        wait_until(site.toolchain.compiles)
        time.sleep(random.Random(seed).uniform(0.0, 1.5))
        process.kill()
        process.communicate()
        far = open_store(remote)
        recorded = {manifest.key for manifest in far.manifests()}
        assert verify_store(far, repair=False).damages == ()
        assert all(far.missing(manifest) is None for manifest in far.manifests())
        before = Counter(site.toolchain.compiles())
        near = {manifest.key for manifest in site.store.manifests()}
        outcomes = kinds(Site(tmp_path / str(seed), acts, remote=remote, lease=2.0).build(STEPS, jobs=2))
        again = Counter(site.toolchain.compiles()) - before
        assert set(outcomes) <= {"built", "reused"}
        assert not {key_of(step) for step in again} & (recorded | near)
        assert verify_store(far, repair=False).damages == ()
