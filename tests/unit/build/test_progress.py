from __future__ import annotations

import threading
import time

from neuronbuild.build.progress import Silent
from neuronbuild.build.report import Outcome
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import Recorder, Site, fake_plan, kinds


def test_silence_says_nothing(capfd):
    plan = fake_plan(1, open_store("memory:"))
    silent = Silent()
    silent.planned(plan)
    silent.started(plan.steps[0])
    silent.finished(Outcome(plan.steps[0], "built"))
    silent.note("anything")
    assert capfd.readouterr() == ("", "")


def test_it_is_told_one_thing_at_a_time(tmp_path):
    class Slow(Recorder):
        inside = threading.Lock()

        def started(self, step) -> None:
            assert self.inside.acquire(blocking=False)
            time.sleep(0.02)
            self.inside.release()

        def finished(self, outcome) -> None:
            self.started(outcome.step)

    site = Site(tmp_path)
    site.progress = Slow()
    assert kinds(site.build(6, jobs=3)) == ["built"] * 6


def test_a_step_that_is_compiled_is_stored_next(tmp_path):
    class Phases(Recorder):
        def started(self, step) -> None:
            self.notes.append("started")

        def phase(self, step, name) -> None:
            self.notes.append(name)

        def finished(self, outcome) -> None:
            self.notes.append(outcome.kind)

    site = Site(tmp_path)
    site.progress = Phases()
    site.build(1)
    assert site.progress.notes == ["started", "storing", "built"]
