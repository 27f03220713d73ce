"""Many steps: a pool of threads that each wait on one compile, retries, and an orderly stop."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, final

from neuronbuild.build.builder import build_step
from neuronbuild.build.report import MEMORY, InterruptedBuildError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from neuronbuild.build.builder import Place
    from neuronbuild.build.progress import Progress
    from neuronbuild.build.report import StepError
    from neuronbuild.digest import ActionKey
    from neuronbuild.plan.planner import Plan, Step
    from neuronbuild.toolchain.base import Toolchain

REMINDER = 60.0
"""Seconds after which it is said again that a step waits."""


@final
class Executor:
    """Builds a plan's misses, each action once, `jobs` at a time."""

    def __init__(
        self,
        toolchains: Mapping[tuple[str, str], Toolchain],
        place: Place,
        progress: Progress,
        *,
        keep_going: bool,
    ) -> None:
        self._toolchains = toolchains
        self._place = place
        self._progress = progress
        self._keep_going = keep_going
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._fatal: list[BaseException] = []
        self._done: dict[ActionKey, Outcome] = {}
        self._starved: dict[ActionKey, Outcome] = {}
        self._threads: list[threading.Thread] = []
        self._told: dict[ActionKey, float] = {}
        self._passed: set[ActionKey] = set()

    def run(self, plan: Plan, jobs: int) -> tuple[Outcome, ...]:
        """An outcome for each step of the plan, in its order.

        Raises:
            InterruptedBuildError: Ctrl-C was pressed.
            StoreError: the store can't be written. Compiles that are running are ended; steps that were recorded are kept.
                A thread that is just fetching an artifact from a far store is waited for: a connection that is silent for the
                store's `timeout` ends that.
        """
        waiting: dict[ActionKey, Step] = {step.action.key: step for step in plan.misses}
        for toolchain in {id(self._toolchain(step)): self._toolchain(step) for step in waiting.values()}.values():
            toolchain.preflight()
        try:
            self._drain(waiting.values(), jobs)
            self._drain(self._take_starved(), 1)
        except KeyboardInterrupt:
            self._stop.set()
            self._place.bench.stop()
            with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C doesn't wait for what is just being recorded
                self._join()
            raise InterruptedBuildError(self._outcomes(plan)) from None
        if self._fatal:
            raise self._fatal[0]
        return self._outcomes(plan)

    def _toolchain(self, step: Step) -> Toolchain:
        options = step.target.options
        return self._toolchains[options.toolchain, options.platform]

    def _drain(self, steps: Iterable[Step], jobs: int) -> None:
        todo: queue.SimpleQueue[Step] = queue.SimpleQueue()
        for step in steps:
            todo.put(step)
        for _ in range(min(jobs, todo.qsize())):
            thread = threading.Thread(target=self._serve, args=(todo,), daemon=True)
            self._threads.append(thread)
            thread.start()
        self._join()

    def _join(self) -> None:
        for thread in self._threads:
            while thread.is_alive():  # a plain join would not let Ctrl-C through until the compile is over
                thread.join(0.1)

    def _serve(self, todo: queue.SimpleQueue[Step]) -> None:
        while not self._stop.is_set():
            try:
                step = todo.get_nowait()
            except queue.Empty:
                return
            try:
                outcome = self._try(step, todo)
                if outcome is None:
                    self._put_off(step)
                    todo.put(step)
                else:
                    self._settle(outcome)
            except BaseException as error:  # noqa: BLE001 (handed to the main thread, which raises it)
                self._fatal.append(error)
                self._stop.set()
                self._place.bench.stop()  # the other compiles may run for hours, and the build fails whatever they make

    def _try(self, step: Step, todo: queue.SimpleQueue[Step]) -> Outcome | None:
        outcome = self._build(step, todo)
        first = outcome.error if outcome is not None else None
        if first is None or not first.may_pass or self._stop.is_set():
            return outcome
        self._note(f"{step.target}: {first.message}; trying once more")
        again = self._build(step, todo)
        return None if again is None else _after(first, again)

    def _build(self, step: Step, todo: queue.SimpleQueue[Step]) -> Outcome | None:
        """Build a step; `None` if another builder has it and there are others to do first.

        So builders that share a store divide a plan between them; in the end they wait for each other.
        """
        passed_over = False

        def waiting(holder: str) -> bool:
            nonlocal passed_over
            passed_over = step.action.key not in self._passed and not todo.empty()
            if passed_over:
                self._passed.add(step.action.key)
                return False
            self._tell(lambda: self._progress.phase(step, "waiting"))
            if time.monotonic() - self._told.get(step.action.key, -REMINDER) >= REMINDER:
                self._told[step.action.key] = time.monotonic()
                self._note(f"{step.target}: waiting for another build of it, by {holder}")
            return not self._stop.is_set()

        def compiling() -> None:
            self._tell(lambda: self._progress.started(step))

        def storing() -> None:
            self._tell(lambda: self._progress.phase(step, "storing"))

        toolchain = self._toolchain(step)
        outcome = build_step(step, toolchain, self._place, waiting=waiting, compiling=compiling, storing=storing)
        return None if passed_over else outcome

    def _settle(self, outcome: Outcome) -> None:
        first = self._starved.get(outcome.step.action.key)
        if outcome.error is not None and outcome.error.kind == MEMORY and first is None:
            self._starved[outcome.step.action.key] = outcome
            self._put_off(outcome.step)
            self._note(f"{outcome.step.target}: {outcome.error.message}; trying again alone, later")
            return
        if first is not None and first.error is not None:
            outcome = _after(first.error, outcome)
        self._done[outcome.step.action.key] = outcome
        self._tell(lambda: self._progress.finished(outcome))
        for note in outcome.manifest.notes if outcome.kind == "built" and outcome.manifest else ():
            self._note(f"{outcome.step.target}: {note}")
        if outcome.kind == "failed" and not self._keep_going:
            self._stop.set()

    def _take_starved(self) -> list[Step]:
        return [] if self._stop.is_set() else [outcome.step for outcome in self._starved.values()]

    def _outcomes(self, plan: Plan) -> tuple[Outcome, ...]:
        """Every step's own outcome; of steps that share an action, the first built it and the others reuse it."""
        told: set[ActionKey] = set()
        outcomes = []
        for step in plan.steps:
            outcome = self._done.get(step.action.key)
            if step.state == "hit":
                outcomes.append(Outcome(step, "reused"))
            elif outcome is None:
                outcomes.append(Outcome(step, "skipped"))
            elif step.action.key in told and outcome.kind == "built":
                outcomes.append(replace(outcome, step=step, kind="reused", seconds=0.0))
            else:
                outcomes.append(replace(outcome, step=step))
            told.add(step.action.key)
        return tuple(outcomes)

    def _put_off(self, step: Step) -> None:
        self._tell(lambda: self._progress.put_off(step))

    def _note(self, text: str) -> None:
        self._tell(lambda: self._progress.note(text))

    def _tell(self, call: Callable[[], None]) -> None:
        with self._lock:
            call()


def _after(first: StepError, outcome: Outcome) -> Outcome:
    """What a second try came to: if it failed as well, its error says so."""
    return outcome if outcome.error is None else replace(outcome, error=outcome.error.after(first))
