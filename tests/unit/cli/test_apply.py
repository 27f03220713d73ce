from __future__ import annotations

import pytest

from neuronbuild.api import ApplyReport
from neuronbuild.api.requests import Failure
from neuronbuild.build.report import Outcome, StepError
from neuronbuild.cli.apply import _status, _summary
from neuronbuild.errors import ReleaseError
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import fake_plan

[STEP] = fake_plan(1, open_store("memory:")).steps
FAILURE = Failure("one", "cpu", ReleaseError("place", "it can't be", hint="try another"))


def test_a_summary_leaves_out_what_didnt_happen():
    counts = {"steps": 3, "reused": 3, "built": 0, "failed": 0, "skipped": 0}
    assert _summary(counts) == "0 compiled, 3 reused"
    assert _summary({**counts, "built": 1, "failed": 2, "skipped": 4}) == "1 compiled, 3 reused, 2 failed, 4 skipped"


@pytest.mark.parametrize(
    ("kinds", "failures", "status"),
    [
        (["built", "reused"], (), 0),
        ([], (), 0),
        (["built", "failed"], (), 1),
        (["skipped"], (), 1),
        (["built"], (FAILURE,), 6),
        (["failed"], (FAILURE,), 1),
    ],
)
def test_the_status_tells_the_first_thing_that_went_wrong(kinds, failures, status):
    error = StepError("user", "no")
    outcomes = tuple(Outcome(STEP, kind, error=error if kind == "failed" else None) for kind in kinds)
    assert _status(ApplyReport(outcomes, (), failures)) == status


def test_releases_that_failed_are_told_with_what_helps(capsys):
    _status(ApplyReport((), (), (FAILURE, FAILURE)))
    assert capsys.readouterr().err == "error: release place: it can't be\n  hint: try another\n" * 2
