"""Progress for people: live on a terminal, a line an event elsewhere. Always on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from rich.status import Status

    from neuronbuild.build.report import Outcome
    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.planner import Plan, Step


@final
class LineProgress:
    """One plain line for each event, and a spinner with the running compiles on a terminal."""

    def __init__(self) -> None:
        self._total = 0
        self._done = 0
        self._running: dict[ActionKey, Step] = {}
        self._status: Status | None = None

    def planned(self, plan: Plan) -> None:
        """Say how much there is to do."""
        self._total = len({step.action.key for step in plan.misses})
        self._done = 0
        if not self._total:
            return
        self._say(f"{self._total} to compile, {len(plan.steps) - len(plan.misses)} in the store")
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")
            self._status.start()

    def started(self, step: Step) -> None:
        """Show a compile as running."""
        self._running[step.action.key] = step
        self._show()
        if self._status is None:
            self._say(f"compiling {step.target}")

    def finished(self, outcome: Outcome) -> None:
        """Say what came of it."""
        self._done += 1
        self._running.pop(outcome.step.action.key, None)
        self._say(f"[{self._done}/{self._total}] {outcome.kind} {outcome.step.target} in {outcome.seconds:.1f} s")
        if outcome.error is not None:
            self._say(f"  {outcome.error.kind}: {outcome.error.message}")
            if outcome.error.log:
                self._say(f"  log: {outcome.error.log}")
        self._show()
        if self._done >= self._total:
            self.close()

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def close(self) -> None:
        """End the live display."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show(self) -> None:
        if self._status is not None:
            self._status.update(f"compiling {'; '.join(str(step.target) for step in self._running.values())}")

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)
