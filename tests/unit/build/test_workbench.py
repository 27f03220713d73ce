from __future__ import annotations

import os
import signal
import threading

import pytest

from neuronbuild.build.process import STOPPED
from neuronbuild.build.workbench import Workbench, claim_folder, remove_stale
from tests.doubles.toolchain import FakeToolchain, Site, fake_action, is_gone, wait_until
from tests.limits import SOON


@pytest.fixture
def root(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def bench(root):
    with Workbench(root, timeout=SOON) as bench:
        yield bench


def run(bench, toolchain, step: int = 1):
    with bench.folder() as folder:
        return bench.run(toolchain, {"kind": "compile", "action": fake_action(step)[1].document}, folder)


def test_a_folder_is_empty_and_goes_when_its_left(bench, root):
    with bench.folder() as one, bench.folder() as other:
        assert one != other
        assert list(one.iterdir()) == []
        (one / "file").write_bytes(b"bytes")
    assert not one.exists()
    assert not other.exists()


def test_leaving_empties_the_scratch_folder(root):
    with Workbench(root, timeout=SOON) as bench, bench.folder() as folder:
        assert folder.parent.parent == root
    assert list(root.iterdir()) == []


def test_a_bench_that_was_never_used_makes_no_folder(tmp_path):
    with Workbench(tmp_path / "absent", timeout=SOON):
        pass
    assert not (tmp_path / "absent").exists()


def test_a_worker_serves_again_and_again(bench, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain")
    for step in (1, 2, 3):
        assert run(bench, toolchain, step).error is None
    assert len(set(toolchain.processes())) == 1


def test_a_process_does_no_job_after_one_that_is_its_last(bench, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain", {2: "user"})
    toolchain.own_process = ("compile",)
    assert [run(bench, toolchain, step).error is None for step in (1, 2, 3)] == [True, False, True]
    assert len(set(toolchain.processes())) == 3
    wait_until(lambda: all(map(is_gone, toolchain.processes())))


def test_a_job_of_another_kind_is_not_the_last_one(bench, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain")
    toolchain.own_process = ("selftest",)
    for step in (1, 2):
        run(bench, toolchain, step)
    assert len(set(toolchain.processes())) == 1


def test_toolchains_share_no_worker(bench, tmp_path):
    toolchains = [FakeToolchain(tmp_path / name) for name in ("one", "other")]
    for toolchain in toolchains:
        run(bench, toolchain)
    assert toolchains[0].processes() != toolchains[1].processes()


def test_jobs_at_a_time_have_a_worker_each(bench, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain", {1: "slow", 2: "slow"})
    threads = [threading.Thread(target=run, args=(bench, toolchain, step)) for step in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(toolchain.processes())) == 2


def test_leaving_ends_all_workers(root, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain")
    with Workbench(root, timeout=SOON) as bench:
        run(bench, toolchain)
    wait_until(lambda: all(map(is_gone, toolchain.processes())))


def test_after_a_stop_no_job_starts(bench, tmp_path):
    toolchain = FakeToolchain(tmp_path / "toolchain")
    run(bench, toolchain, 1)
    bench.stop()
    assert run(bench, toolchain, 2).error == STOPPED
    assert run(bench, FakeToolchain(tmp_path / "other"), 3).error == STOPPED
    assert toolchain.compiles() == [1]


def test_scratch_folders_of_the_living_stay_and_those_of_the_dead_go(root):
    living, handle = claim_folder(root)
    dead, other = claim_folder(root)
    os.close(other)
    (dead / "left").mkdir()
    (dead / "left/behind").write_bytes(b"bytes")
    remove_stale(root)
    assert list(root.iterdir()) == [living]
    os.close(handle)


def test_what_isnt_a_scratch_folder_stays(root):
    (root / "build-file").touch()
    (root / "mine").mkdir()
    (root / "build-link").symlink_to(root / "mine")
    remove_stale(root)
    assert sorted(path.name for path in root.iterdir()) == ["build-file", "build-link", "mine"]


def test_the_next_build_removes_what_a_killed_one_left(tmp_path):
    site = Site(tmp_path, {1: "hang"})
    process = site.start(1)
    wait_until(site.toolchain.processes)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(site.work.iterdir())) == 1
    with Workbench(site.work, timeout=SOON) as bench, bench.folder() as folder:
        assert list(site.work.iterdir()) == [folder.parent]


def test_claims_and_removals_at_once_never_take_a_folder_from_the_living(root):
    def claim() -> None:
        for _ in range(50):
            remove_stale(root)
            folder, handle = claim_folder(root)
            (folder / "mine").touch()
            os.close(handle)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remove_stale(root)
    assert list(root.iterdir()) == []
