"""Progress for people: live on a terminal, a line an event elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from neuronbuild.cli.output import clean, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live

    from neuronbuild.build.report import Outcome
    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.planner import Plan, Step

REFRESHES = 4
"""A second: what has elapsed is shown in whole seconds."""


@dataclass(slots=True)
class _Running:
    """What a worker is doing, and since when."""

    name: str
    phase: str
    since: float = field(default_factory=time.monotonic)


@final
class LineProgress:
    """One plain line for each event; on a terminal, a line for each worker below them, and one for the whole."""

    def __init__(self) -> None:
        self._total = 0
        self._done = 0
        self._since = 0.0
        self._running: dict[ActionKey, _Running] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def planned(self, plan: Plan) -> None:
        """Say how much there is to do."""
        self._total = len({step.action.key for step in plan.misses})
        self._done = 0
        self._since = time.monotonic()
        if not self._total:
            return
        self._say(f"{self._total} to compile, {len(plan.steps) - len(plan.misses)} in the store")
        if sys.stderr.isatty():
            self._open()

    def started(self, step: Step) -> None:
        """Show a compile as running."""
        with self._lock:
            self._running[step.action.key] = _Running(str(step.target), "compiling")
        if self._live is None:
            self._say(f"compiling {step.target!s}")

    def phase(self, step: Step, name: str) -> None:
        """Show what a worker does now."""
        with self._lock:
            self._running.setdefault(step.action.key, _Running(str(step.target), name)).phase = name

    def put_off(self, step: Step) -> None:
        """Show it no longer."""
        with self._lock:
            self._running.pop(step.action.key, None)

    def finished(self, outcome: Outcome) -> None:
        """Say what came of it."""
        with self._lock:
            self._done += 1
            self._running.pop(outcome.step.action.key, None)
        self._say(f"[{self._done}/{self._total}] {outcome.kind} {outcome.step.target} in {outcome.seconds:.1f} s")
        if outcome.error is not None:
            self._say(f"  {outcome.error.kind}: {outcome.error.message}")
            if outcome.error.log:
                self._say(f"  log: {outcome.error.log}")
        if self._done >= self._total:
            self.close()

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def close(self) -> None:
        """End the live display."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _open(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        def show() -> Text:
            return Text("\n".join(map(clean, self._lines())), no_wrap=True, overflow="ellipsis")

        self.close()
        console = Console(stderr=True)
        self._live = Live(get_renderable=show, console=console, refresh_per_second=REFRESHES, transient=True)
        self._live.start()

    def _lines(self) -> Iterator[str]:
        """A line a worker, in columns, then how far the whole is."""
        with self._lock:
            running, done = list(self._running.values()), self._done
        phases, names = (max((len(getattr(each, part)) for each in running), default=0) for part in ("phase", "name"))
        for each in running:
            yield f"  {each.phase:{phases}}  {each.name:{names}}  {_clock(time.monotonic() - each.since)}"
        yield f"  {done} of {self._total} done, {len(running)} running, {_clock(time.monotonic() - self._since)}"

    def _say(self, text: str) -> None:
        lines = text.split("\n")
        if self._live is not None:
            for line in lines:
                self._live.console.print(clean(line), markup=False, highlight=False, soft_wrap=True)
        else:
            say(*lines)


def _clock(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
