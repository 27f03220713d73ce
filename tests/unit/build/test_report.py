from __future__ import annotations

from neuronbuild.build.report import Outcome, StepError, count
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import fake_plan

STEP = fake_plan(1, open_store("memory:")).steps[0]


def test_an_outcome_is_the_plans_step_and_what_came_of_it():
    outcome = Outcome(STEP, "failed", 1.23456, StepError("crash", "SIGSEGV", "/logs/x.log"))
    assert outcome.as_json() == STEP.as_json() | {
        "outcome": "failed",
        "seconds": 1.235,
        "error": {"class": "crash", "message": "SIGSEGV", "log": "/logs/x.log"},
    }


def test_what_was_foretold_passes_no_more_often_than_it_was_tried():
    assert [kind for kind in ("internal", "crash", "output", "user", "memory") if StepError(kind, "").may_pass] == [
        "internal", "crash", "output",
    ]  # fmt: skip
    assert not StepError("crash", "", foretold=True).may_pass


def test_a_success_has_no_error():
    assert Outcome(STEP, "built", 1.0).as_json()["error"] is None


def test_all_kinds_are_counted_though_there_are_none():
    assert count([]) == {"steps": 0, "reused": 0, "built": 0, "failed": 0, "skipped": 0}
    outcomes = [Outcome(STEP, "built"), Outcome(STEP, "built"), Outcome(STEP, "skipped")]
    assert count(outcomes) == {"steps": 3, "reused": 0, "built": 2, "failed": 0, "skipped": 1}
