"""What a build tells while it runs, and the observer that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from neuronbuild.build.report import Outcome
    from neuronbuild.plan.planner import Plan, Step


class Progress(Protocol):
    """Called from any thread, one call at a time. Whatever it raises is a bug."""

    def planned(self, plan: Plan) -> None:
        """The plan is known; building starts."""

    def started(self, step: Step) -> None:
        """A compile starts."""

    def phase(self, step: Step, name: str) -> None:
        """A step that has started, or waits to, does something else now: `waiting`, `compiling`, `storing`."""

    def put_off(self, step: Step) -> None:
        """Nobody works on a step now that may have started: it is taken up again later."""

    def finished(self, outcome: Outcome) -> None:
        """A step is done, whatever came of it."""

    def note(self, text: str) -> None:
        """Something worth a line: waiting for another builder, a retry, a release that is being written."""


class Silent:
    """Says nothing."""

    def planned(self, plan: Plan) -> None:
        """Nothing."""

    def started(self, step: Step) -> None:
        """Nothing."""

    def phase(self, step: Step, name: str) -> None:
        """Nothing."""

    def put_off(self, step: Step) -> None:
        """Nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
