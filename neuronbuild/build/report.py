"""What came of each step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from neuronbuild.errors import NeuronBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.plan.planner import Step

Kind = Literal["reused", "built", "failed", "skipped"]

RETRIED = {"internal", "crash", "output"}
"""Classes of failures that a second try may mend."""

MEMORY = "memory"
"""The class of those that a second try alone, after everything else, may mend."""

KINDS: tuple[Kind, ...] = ("reused", "built", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step failed.

    `kind` is one of: `user` (what was asked can't be compiled), `internal` (the compiler's own fault), `memory`,
    `timeout`, `crash` (a signal), `output` (success was reported without usable files), `system` (disk and the like).
    `log` is the path of the compiler's log. What was `foretold` comes again whenever it is tried.
    """

    kind: str
    message: str
    log: str | None = None
    foretold: bool = False

    @property
    def may_pass(self) -> bool:
        """Whether a second try may mend it."""
        return self.kind in RETRIED and not self.foretold

    def after(self, first: StepError) -> StepError:
        """This error of a second try, with what the first one came to."""
        before = "" if first.message == self.message else f"; the first time: {first.message}"
        return replace(self, message=f"{self.message} (tried twice{before})")

    def as_json(self) -> dict[str, object]:
        """As `apply --json` prints it."""
        return {"class": self.kind, "message": self.message, "log": self.log}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step, done."""

    step: Step
    kind: Kind
    seconds: float = 0.0
    error: StepError | None = None
    manifest: Manifest | None = None

    def as_json(self) -> dict[str, object]:
        """As `apply --json` prints it: the plan's step, and what came of it."""
        error = self.error.as_json() if self.error else None
        return {**self.step.as_json(), "outcome": self.kind, "seconds": round(self.seconds, 3), "error": error}


class InterruptedBuildError(NeuronBuildError):
    """Ctrl-C: what was finished is kept, the rest is skipped."""

    exit_code = 130

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        self.outcomes = outcomes
        super().__init__("interrupted", hint="what was finished is kept: run the same command again to go on")


def count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many of each kind, zeros included, and `steps` in all."""
    kinds = Counter(outcome.kind for outcome in outcomes)
    return {"steps": sum(kinds.values()), **{kind: kinds[kind] for kind in KINDS}}
