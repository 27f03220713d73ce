from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.build.builder import Place
from neuronbuild.build.executor import Executor, InterruptedBuildError
from neuronbuild.build.report import StepError
from neuronbuild.build.workbench import Workbench
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import SourceError, StoreError, ToolchainError
from neuronbuild.plan import planner
from neuronbuild.plan.troubles import TROUBLES
from tests.doubles.toolchain import Recorder, Site, fake_plan, finish, is_gone, kinds, number_of, wait_until
from tests.limits import SOON
from tests.unit.store.artifacts import assert_whole
from tests.unit.store.disks import fill, small_disk


@pytest.fixture
def site(tmp_path):
    return lambda acts=None, **options: Site(tmp_path, acts or {}, **options)


def recorded(site: Site) -> int:
    return len(list(site.store.manifests()))


def test_every_miss_is_built_once_and_told(site):
    site = site()
    assert kinds(site.build(3)) == ["built"] * 3
    assert sorted(site.toolchain.compiles()) == [1, 2, 3]
    assert site.progress.started_steps == [1, 2, 3]
    assert kinds(site.progress.outcomes) == ["built"] * 3
    assert recorded(site) == 3


def test_the_second_build_compiles_nothing(site):
    site = site()
    site.build(3)
    assert kinds(site.build(3)) == ["reused"] * 3
    assert len(site.toolchain.compiles()) == 3


def test_an_empty_plan_is_done(site):
    assert site().build([]) == ()


def test_outcomes_are_in_the_plans_order_whatever_ended_first(site):
    site = site({1: "slow"})
    outcomes = site.build(4, jobs=3)
    assert [outcome.step.target.shape.as_dict()["batch_size"] for outcome in outcomes] == [1, 2, 3, 4]
    assert kinds(outcomes) == ["built"] * 4


def test_an_action_that_is_twice_in_a_plan_is_compiled_once(site):
    site = site()
    outcomes = site.build([1, 2, 1, 1], jobs=2)
    assert kinds(outcomes) == ["built", "built", "reused", "reused"]
    assert sorted(site.toolchain.compiles()) == [1, 2]
    assert outcomes[2].manifest == outcomes[0].manifest
    assert outcomes[2].seconds == 0.0


def test_an_action_that_is_twice_in_a_plan_fails_twice(site):
    assert kinds(site({1: "user"}).build([1, 1], keep_going=True)) == ["failed", "failed"]


@pytest.mark.parametrize("act", ["internal", "segfault", "leave", "lose-file", "empty-file"])
def test_what_a_second_try_may_mend_is_tried_once_more(site, act):
    site = site({1: f"{act} once"})
    assert kinds(site.build(1)) == ["built"]
    assert site.toolchain.compiles() == [1, 1]
    assert "trying once more" in site.progress.notes[0]
    assert kinds(site.progress.outcomes) == ["built"]


@pytest.mark.parametrize("act", ["internal", "segfault", "leave", "lose-file"])
def test_it_is_tried_no_more_than_that(site, act):
    site = site({1: act})
    assert kinds(site.build(1)) == ["failed"]
    assert site.toolchain.compiles() == [1, 1]
    assert recorded(site) == 0


def test_a_crash_that_is_known_is_tried_once_and_told_with_what_helps(site, monkeypatch):
    monkeypatch.setattr(planner, "foretold", lambda *_: TROUBLES[0])
    site = site({1: "segfault", 2: "internal"})
    crash, internal = site.build(2, keep_going=True)
    assert site.toolchain.compiles() == [1, 2, 2]
    assert crash.error.kind == "crash"
    assert "crashed with SIGSEGV, which is known: " in crash.error.message
    assert crash.error.message.endswith(f"({TROUBLES[0].source}); {TROUBLES[0].advice}")
    assert "known" not in internal.error.message


@pytest.mark.parametrize("act", ["user", "disk"])
def test_what_no_second_try_can_mend_is_tried_once(site, act):
    site = site({1: act})
    assert kinds(site.build(1)) == ["failed"]
    assert site.toolchain.compiles() == [1]


def test_a_compile_that_took_too_long_is_tried_once(site):
    site = site({1: "hang"}, timeout=5.0)  # long enough for a worker to start on a busy machine
    assert site.build(1)[0].error.kind == "timeout"
    assert site.toolchain.compiles() == [1]


@pytest.mark.parametrize("act", ["memory", "killed"])
def test_want_of_memory_is_tried_again_alone_after_everything_else(site, act):
    site = site({1: f"{act} once", 3: f"{act} once", 4: "slow"})
    assert kinds(site.build(5, jobs=3)) == ["built"] * 5
    assert sorted(site.toolchain.compiles()[:5]) == [1, 2, 3, 4, 5]
    assert sorted(site.toolchain.compiles()[5:]) == [1, 3]
    assert "trying again alone, later" in site.progress.notes[0]


def test_a_step_that_is_left_for_later_is_told_to_be_before_others_start(site):
    told = []

    class Order(Recorder):
        def started(self, step):
            told.append(("started", number_of(step)))

        def put_off(self, step):
            told.append(("put off", number_of(step)))

    site = site({1: "memory once"})
    site.progress = Order()
    site.build(2)
    assert told == [("started", 1), ("put off", 1), ("started", 2), ("started", 1)]


def test_want_of_memory_twice_is_a_failure(site):
    site = site({1: "memory"})
    outcomes = site.build(2)
    assert kinds(outcomes) == ["failed", "built"]
    assert outcomes[0].error.kind == "memory"
    assert site.toolchain.compiles() == [1, 2, 1]
    assert len(site.progress.outcomes) == 2


@pytest.mark.parametrize("act", ["killed", "segfault", "internal", "lose-file"])
def test_a_failure_at_both_tries_says_that_there_were_two(site, act):
    [outcome] = site({1: act}).build(1)
    assert outcome.error.message.endswith(" (tried twice)")


def test_a_failure_that_differs_from_the_first_names_both():
    first, second = StepError("memory", "it was killed"), StepError("crash", "it crashed")
    assert second.after(first) == StepError("crash", "it crashed (tried twice; the first time: it was killed)")


def test_a_crash_costs_only_its_own_step(site):
    site = site({2: "segfault", 4: "killed"})
    assert kinds(site.build(5, keep_going=True)) == ["built", "failed", "built", "failed", "built"]
    assert recorded(site) == 3


def test_the_first_failure_stops_the_build(site):
    site = site({2: "user"})
    assert kinds(site.build(4)) == ["built", "failed", "skipped", "skipped"]
    assert site.toolchain.compiles() == [1, 2]
    assert kinds(site.progress.outcomes) == ["built", "failed"]


def test_what_runs_when_another_fails_is_finished(site):
    outcomes = site({1: "user", 2: "slow"}).build(6, jobs=2)
    assert kinds(outcomes)[0] == "failed"
    assert set(kinds(outcomes)[1:]) <= {"built", "skipped"}
    assert kinds(outcomes)[-1] == "skipped"


def test_two_that_fail_together_are_both_told(site):
    site = site({1: "slow-user", 2: "slow-user"})
    assert kinds(site.build(2, jobs=2)) == ["failed", "failed"]


def test_keep_going_builds_all_the_rest(site):
    assert kinds(site({1: "user", 3: "user"}).build(4, keep_going=True)) == ["failed", "built", "failed", "built"]


def test_a_failure_never_poisons_its_key(site, tmp_path):
    assert kinds(site({1: "user"}).build(1)) == ["failed"]
    assert kinds(Site(tmp_path).build(1)) == ["built"]


def test_one_worker_does_many_steps(site):
    site = site()
    site.build(5)
    assert len(set(site.toolchain.processes())) == 1


def test_logs_of_failures_are_kept(site):
    outcome = site({1: "internal"}).build(1)[0]
    assert "Traceback" in Path(outcome.error.log).read_text()


def test_a_toolchain_that_cant_start_is_told_before_anything_is_built(site, tmp_path, monkeypatch):
    site = site()

    def missing() -> None:
        raise ToolchainError("fake", "it isn't installed", hint="install it")

    monkeypatch.setattr(site.toolchain, "preflight", missing)
    with pytest.raises(ToolchainError):
        site.build(2)
    assert site.toolchain.compiles() == []


def test_a_toolchain_isnt_asked_for_what_is_there_already(site, monkeypatch):
    site = site()
    site.build(2)
    monkeypatch.setattr(site.toolchain, "preflight", lambda: pytest.fail("nothing is to be compiled"))
    assert kinds(site.build(2)) == ["reused", "reused"]


def test_a_store_that_breaks_stops_the_build_and_keeps_what_was_recorded(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        site = Site(tmp_path, location=str(disk))
        site.build(2)
        fill(disk)
        with pytest.raises(StoreError, match="No space left") as caught:
            site.build(6, jobs=2)
        assert "what was finished is kept" in caught.value.hint
        assert assert_whole(disk, site.store) == 2


def test_a_store_error_of_one_thread_ends_the_compiles_of_the_others(site):
    site = site({1: "hang"})
    record = site.store.record

    def refuse(manifest):
        wait_until(lambda: 1 in site.toolchain.compiles())
        raise StoreError(site.store.location, "no room")

    site.store.record = refuse
    started = time.monotonic()
    with pytest.raises(StoreError, match="no room"):
        site.build(2, jobs=2)
    assert time.monotonic() - started < SOON
    wait_until(lambda: all(map(is_gone, site.toolchain.processes())))  # a killed process is there until it is waited for
    site.store.record = record
    assert recorded(site) == 0


def test_a_fault_of_one_steps_model_ends_neither_other_compiles_nor_the_build(site, tmp_path):
    site = site({1: "slow"})
    plan = fake_plan(3, site.store)

    def open_file(name):
        wait_until(lambda: 1 in site.toolchain.compiles())
        raise SourceError("./model", f"{name} changed while it was being used", hint="run the command again")

    model = Model(Snapshot("./model", None, {"model.safetensors": digest_bytes(b"weights")}), {}, open_file)
    with Workbench(site.work, 20) as bench:
        place = Place(site.store, bench, tmp_path / "logs", {plan.steps[1].action.key: model})
        executor = Executor({("inductor", "cpu"): site.toolchain}, place, Recorder(), keep_going=True)
        outcomes = executor.run(plan, 2)
    assert kinds(outcomes) == ["built", "failed", "built"]
    assert outcomes[1].error.kind == "system"
    assert "changed while it was being used; run the command again" in outcomes[1].error.message


def test_a_fault_of_ours_is_raised_and_not_lost_in_a_thread(site):
    site = site()
    site.progress.finished = None
    with pytest.raises(TypeError):
        site.build(1)


def test_ctrl_c_keeps_what_was_finished_and_ends_the_rest(site):
    site = site({3: "hang-with-child"})
    process = site.start(5)
    wait_until(lambda: len(site.toolchain.processes()) == 4)
    process.send_signal(signal.SIGINT)
    said = finish(process)
    assert said["outcomes"] == ["built", "built", "skipped", "skipped", "skipped"]
    assert said["status"] == 130
    assert "run the same command again" in said["hint"]
    assert recorded(site) == 2
    wait_until(lambda: all(map(is_gone, site.toolchain.processes())))
    assert not list(site.work.iterdir())


def test_ctrl_c_twice_is_no_worse(site):
    site = site({1: "hang", 2: "hang"})
    process = site.start(2, jobs=2)
    wait_until(lambda: len(site.toolchain.processes()) == 2)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SOON)
    wait_until(lambda: all(map(is_gone, site.toolchain.processes())))


def test_what_another_build_has_in_hand_comes_last(site):
    site = site({1: "wait"})
    other = site.start(1)
    wait_until(lambda: site.toolchain.compiles() == [1])
    process = site.start(4)
    assert "waiting for another build of it" in process.stderr.readline()
    assert site.toolchain.compiles() == [1, 2, 3, 4]
    site.toolchain.let_go()
    assert finish(process)["outcomes"] == ["reused", "built", "built", "built"]
    assert finish(other)["outcomes"] == ["built"]


def test_ctrl_c_while_another_build_has_the_lease_gives_up(site, tmp_path):
    site = site({1: "hang"})
    other = site.start(1)
    wait_until(site.toolchain.processes)
    process = site.start(1)
    assert "waiting for another build of it" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert finish(process)["outcomes"] == ["skipped"]
    other.kill()
    other.communicate()


def test_killing_the_builder_kills_the_whole_group_of_its_worker(site):
    site = site({1: "hang-with-child", 2: "hang-with-child"})
    process = site.start(2, jobs=2)
    wait_until(lambda: len(site.toolchain.processes()) == 4)
    process.kill()
    process.communicate()
    wait_until(lambda: all(map(is_gone, site.toolchain.processes())), seconds=5)


def test_an_interrupted_build_is_an_error_with_the_shells_status(tmp_path):
    error = InterruptedBuildError(())
    assert error.exit_code == 130
    assert error.outcomes == ()


def test_more_jobs_than_steps_are_no_harm(site):
    assert kinds(site().build(2, jobs=50)) == ["built", "built"]


def test_a_store_in_memory_will_do(tmp_path):
    site = Site(tmp_path, location="memory:")
    assert kinds(site.build(2)) == ["built", "built"]
    assert kinds(site.build(2)) == ["reused", "reused"]


def test_steps_that_were_recorded_since_the_plan_was_made_are_reused(site, tmp_path):
    site = site()
    plan = fake_plan(3, site.store)
    site.build([2])
    with Workbench(site.work, 20) as bench:
        executor = Executor(
            {("inductor", "cpu"): site.toolchain}, Place(site.store, bench, tmp_path / "logs"), Recorder(), keep_going=False
        )
        assert kinds(executor.run(plan, 1)) == ["built", "reused", "built"]
    assert sorted(site.toolchain.compiles()) == [1, 2, 3]
