"""Builds in processes of their own: side by side, killed half-way, and on a disk that fills up."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from neuronbuild.store.care.prune import Rules, prune_store
from tests.doubles.toolchain import Site, fake_plan, finish, is_gone, kinds, wait_until
from tests.unit.store.artifacts import assert_whole, key_of
from tests.unit.store.disks import fill, small_disk

STEPS = 6


def assert_all_built(site: Site) -> None:
    """Every step's artifact is in the store, whole, and nothing else is left there."""
    assert assert_whole(site.folder / "store", site.store) == STEPS
    assert fake_plan(STEPS, site.store).misses == []
    assert not list((site.folder / "store/v1/leases").iterdir())
    assert not list((site.folder / "store/tmp").iterdir())


@pytest.mark.parametrize("builders", [2, 3])
def test_builds_side_by_side_compile_each_action_once(tmp_path, builders):
    site = Site(tmp_path, dict.fromkeys(range(1, STEPS + 1), "slow"))
    said = [finish(process) for process in [site.start(STEPS, jobs=2) for _ in range(builders)]]
    assert sorted(site.toolchain.compiles()) == list(range(1, STEPS + 1))
    for results in zip(*(each["outcomes"] for each in said), strict=True):
        assert Counter(results) == {"built": 1, "reused": builders - 1}
    assert_all_built(site)


def test_a_build_takes_over_what_another_that_was_killed_had_begun(tmp_path):
    site = Site(tmp_path, {2: "hang once"})
    first = site.start(STEPS)
    wait_until(lambda: site.toolchain.compiles() == [1, 2])
    second = site.start(STEPS)
    assert "waiting for another build of it" in second.stderr.readline()
    first.kill()
    first.communicate()
    assert finish(second)["outcomes"] == ["reused", *["built"] * (STEPS - 1)]
    assert site.toolchain.compiles() == [1, 2, 3, 4, 5, 6, 2]
    assert_all_built(site)


def test_after_a_kill_the_next_build_compiles_only_the_rest(tmp_path):
    site = Site(tmp_path, {4: "hang once"})
    process = site.start(STEPS)
    wait_until(lambda: site.toolchain.compiles() == [1, 2, 3, 4])
    process.kill()
    process.communicate()
    assert kinds(site.build(STEPS)) == ["reused"] * 3 + ["built"] * 3
    assert site.toolchain.compiles() == [1, 2, 3, 4, 4, 5, 6]
    assert_all_built(site)


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 60), marks=pytest.mark.soak)])
def test_after_kills_at_any_moment_a_build_still_comes_to_its_end(tmp_path, seeds):
    for seed in seeds:
        site = Site(tmp_path / str(seed))
        process = site.start(STEPS, jobs=2)
        wait_until(site.toolchain.compiles)
        time.sleep(random.Random(seed).uniform(0.0, 0.2))
        process.send_signal(random.Random(seed).choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate()
        recorded = assert_whole(site.folder / "store", site.store)
        outcomes = kinds(site.build(STEPS, jobs=2))
        assert Counter(outcomes)["reused"] == recorded
        assert fake_plan(STEPS, site.store).misses == []
        wait_until(lambda site=site: all(map(is_gone, site.toolchain.processes())))


def test_ctrl_c_and_then_the_same_again_compiles_only_the_rest(tmp_path):
    site = Site(tmp_path, {3: "hang once"})
    process = site.start(STEPS)
    wait_until(lambda: site.toolchain.compiles() == [1, 2, 3])
    process.send_signal(signal.SIGINT)
    assert finish(process)["outcomes"] == ["built", "built", *["skipped"] * 4]
    assert kinds(site.build(STEPS)) == ["reused", "reused", *["built"] * 4]
    assert_all_built(site)


def test_a_disk_that_fills_up_is_told_and_nothing_is_lost(tmp_path):
    with small_disk(tmp_path / "store") as disk:
        site = Site(tmp_path, {3: "wait"})
        process = site.start(STEPS)
        wait_until(lambda: site.toolchain.compiles() == [1, 2, 3])
        fill(disk)
        site.toolchain.let_go()
        said = finish(process)
        assert (said["status"], said["error"]) == (4, "StoreError")
        assert "No space left" in said["message"]
        assert "free some space" in said["hint"]
        assert assert_whole(disk, site.store) == 2
        (disk / "ballast").unlink()
        assert kinds(site.build(STEPS)) == ["reused", "reused", *["built"] * 4]


def test_a_store_that_was_emptied_under_a_build_is_filled_again(tmp_path):
    site = Site(tmp_path)
    site.build(STEPS)
    for entry in list(site.store.objects.list("v1/blobs/")):
        site.store.objects.delete(entry.name)
    assert kinds(site.build(STEPS)) == ["built"] * STEPS
    assert_all_built(site)


@pytest.mark.parametrize("planned", [False, True])
def test_builds_beside_prunes_get_all_that_they_plan_on(tmp_path, planned):
    site = Site(tmp_path, dict.fromkeys(range(4, STEPS + 1), "slow"))
    site.build(3)
    then = time.time() - 9 * 86400
    for entry in list(site.store.objects.list("v1/")):
        os.utime(site.store.objects.local_path(entry.name), (then, then))
    process, pruned = site.start(STEPS), []
    if planned:
        wait_until(lambda: site.toolchain.compiles()[-1:] == [4])
    while process.poll() is None:
        pruned += prune_store(site.store, Rules(max_size=0), dry_run=False).artifacts
    outcomes = finish(process)["outcomes"]
    assert outcomes[3:] == ["built"] * 3
    reused = {key_of(number) for number, outcome in enumerate(outcomes, 1) if outcome == "reused"}
    assert len(reused) == 3 or not planned
    assert (reused | {key_of(number) for number in (4, 5, 6)}).isdisjoint(pruned)
    assert_all_built(site)
