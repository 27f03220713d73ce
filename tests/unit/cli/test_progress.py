from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from neuronbuild.build.report import Outcome, StepError
from neuronbuild.cli.progress import LineProgress
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import fake_plan
from tests.tools.terminal import seen_on_terminal


@pytest.fixture
def plan():
    return fake_plan(2, open_store("memory:"))


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def go_through(progress, plan) -> None:
    progress.planned(plan)
    progress.started(plan.steps[0])
    progress.finished(Outcome(plan.steps[0], "built", 1.25))
    progress.note("[bold]waiting[/bold] for another build")
    progress.started(plan.steps[1])
    progress.finished(Outcome(plan.steps[1], "failed", 2.0, StepError("user", "no such operator", "/logs/x.log")))
    progress.close()


def test_elsewhere_than_on_a_terminal_each_event_is_a_line_on_stderr(plan, capsys):
    go_through(LineProgress(), plan)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "2 to compile, 0 in the store",
        "compiling fake forward on cpu (batch_size=1, sequence_length=16)",
        "[1/2] built fake forward on cpu (batch_size=1, sequence_length=16) in 1.2 s",
        "[bold]waiting[/bold] for another build",
        "compiling fake forward on cpu (batch_size=2, sequence_length=16)",
        "[2/2] failed fake forward on cpu (batch_size=2, sequence_length=16) in 2.0 s",
        "  user: no such operator",
        "  log: /logs/x.log",
    ]


def test_on_a_terminal_the_same_is_said_around_a_live_line(plan, monkeypatch):
    terminal = on_terminal(monkeypatch)
    go_through(LineProgress(), plan)
    said = terminal.getvalue()
    for words in ("[1/2] built fake", "[bold]waiting[/bold] for another build", "user: no such operator", "log: /logs/x.log"):
        assert words in said


def test_nothing_to_do_says_nothing_and_draws_nothing(monkeypatch):
    terminal = on_terminal(monkeypatch)
    progress = LineProgress()
    progress.planned(fake_plan([], open_store("memory:")))
    progress.close()
    assert terminal.getvalue() == ""


def test_a_live_line_ends_with_the_last_step_or_when_it_is_closed(plan, monkeypatch):
    terminal = on_terminal(monkeypatch)
    progress = LineProgress()
    progress.planned(plan)
    progress.close()
    progress.close()
    progress.note("after")
    assert terminal.getvalue().endswith("after\n")


def test_a_step_that_is_put_off_is_shown_no_longer(plan):
    progress = LineProgress()
    for step in plan.steps:
        progress.started(step)
    progress.put_off(plan.steps[0])
    shown, total = progress._lines()
    assert f"compiling  {plan.steps[1].target}" in shown
    assert "1 running" in total


def test_steps_that_differ_in_platform_or_graph_alone_bear_names_of_their_own(plan, capsys):
    step = plan.steps[0]
    options = replace(step.target.options, platform="inf2")
    targets = [step.target, replace(step.target, options=options), replace(step.target, graph="decode")]
    progress = LineProgress()
    for target in targets:
        progress.started(replace(step, target=target))
    assert capsys.readouterr().err.splitlines() == [
        "compiling fake forward on cpu (batch_size=1, sequence_length=16)",
        "compiling fake forward on inf2 (batch_size=1, sequence_length=16)",
        "compiling fake decode on cpu (batch_size=1, sequence_length=16)",
    ]


def test_one_action_of_two_recipes_counts_once(capsys):
    LineProgress().planned(fake_plan([1, 1, 2], open_store("memory:")))
    assert capsys.readouterr().err.startswith("2 to compile")


LIVE = """
import sys, time
from neuronbuild.build.report import Outcome
from neuronbuild.cli.progress import LineProgress
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import fake_plan

plan = fake_plan(3, open_store("memory:"))
progress = LineProgress()
progress.planned(plan)
for step in plan.steps[:2]:
    progress.started(step)
progress.phase(plan.steps[1], "storing")
time.sleep(1.5)
progress.finished(Outcome(plan.steps[0], "built", 1.5))
time.sleep(0.6)
progress.close()
print("over", file=sys.stderr)
"""


def test_on_a_real_terminal_each_worker_has_a_line_with_phase_and_time():
    said = seen_on_terminal(LIVE, "stderr", 100, TERM="xterm")
    assert "  compiling  fake forward on cpu (batch_size=1, sequence_length=16)  0:01" in said
    assert "  storing    fake forward on cpu (batch_size=2, sequence_length=16)  0:01" in said
    assert "  0 of 3 done, 2 running, 0:01" in said
    assert "  1 of 3 done, 1 running, 0:0" in said
    assert "[1/3] built fake forward on cpu (batch_size=1, sequence_length=16) in 1.5 s" in said
    assert said.rstrip().endswith("over")
