"""The part of an `apply` that has something to do: builds, conversions and checks on one workbench."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, final

from neuronbuild.api.jobs import NoJobs, ReleaseJobs
from neuronbuild.api.prepare import make_full_plan, refuse_misses
from neuronbuild.api.requests import Failure, Release, release_request
from neuronbuild.api.usage import note_use
from neuronbuild.artifact.snapshot import holds_tokenizer
from neuronbuild.build.builder import Place
from neuronbuild.build.executor import Executor
from neuronbuild.build.workbench import Workbench
from neuronbuild.errors import BlobCorruptError, BlobMissingError, NewerRecordError, ReleaseError, SourceError, StoreError
from neuronbuild.release.folder import write_release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.api.prepare import Context
    from neuronbuild.api.prepared import Prepared
    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.build.progress import Progress
    from neuronbuild.build.report import Outcome
    from neuronbuild.plan.planner import Plan
    from neuronbuild.release.request import RunJob

Done = tuple[tuple["Outcome", ...], tuple[Release, ...], tuple[Failure, ...]]
"""Outcomes of all steps, releases, and those that could not be written."""


@final
class Work:
    """Prepared recipes, and where the work on them is done."""

    def __init__(self, prepared: list[Prepared], context: Context, observer: Progress) -> None:
        self._prepared = prepared
        self._context = context
        self._observer = observer
        self._bench = Workbench(context.settings.scratch / "work", context.settings.timeout)

    def build_and_release(self, plan: Plan) -> Done:
        """Build a plan's misses, then write the releases of all recipes whose every target is there.

        An artifact that turns out damaged when a release is written has been put aside by then: it is built again.

        Raises:
            InterruptedBuildError, StoreError, ToolchainError: as their names say.
        """
        with self._open_store(), self._bench:
            done = self._build_and_release(self._bring(plan))
        reused = [outcome.step.action.key for outcome in done[0] if outcome.kind == "reused"]
        note_use(self._context.store, reused=reused, built=sum(outcome.kind == "built" for outcome in done[0]))
        return done

    def _bring(self, plan: Plan) -> Plan:
        """Have what is to be released at hand; what turns out not to be had is a miss."""
        self._record_snapshots()
        needed = {
            action.key
            for each in self._prepared
            if not release_request(each, self._context.settings, checked=self._context.runs_here(each)).is_up_to_date(
                self._context.verified
            )
            for _, action in each.steps
        }
        lost = self._context.store.prefetch(
            [step.action.key for step in plan.steps if step.state == "hit" and step.action.key in needed]
        )
        if not lost:
            return plan
        plan = make_full_plan(self._prepared, self._context.store)
        self._observer.planned(plan)
        return plan

    @contextlib.contextmanager
    def _open_store(self) -> Iterator[None]:
        """Wait in the end for what is being sent; after an error of a store, only for what has begun."""
        broken = False
        try:
            yield
        except StoreError:
            broken = True
            raise
        finally:
            for line in self._context.store.close(abandon=broken):
                self._observer.note(line)

    def _record_snapshots(self) -> None:
        """Before anything is built: what a snapshot says of licences decides what may be shared."""
        for snapshot in {each.model.snapshot.digest: each.model.snapshot for each in self._prepared}.values():
            self._context.sharing.learn(snapshot)
            self._context.store.record_snapshot(snapshot)

    def _build_and_release(self, plan: Plan) -> Done:
        mended: set[str] = set()
        outcomes = self._build(plan)
        while True:
            try:
                return outcomes, *self._release_all(outcomes)
            except (BlobMissingError, BlobCorruptError) as error:
                if error.sha256 in mended:
                    raise
                mended.add(error.sha256)
                self._observer.note(f"{error.message}; building it again")
            outcomes = self._build_again(outcomes)

    def release(self) -> tuple[Release, ...]:
        """Write every release, from what the store has.

        Raises:
            ReleaseError, StoreError: as their names say.
        """
        self._record_snapshots()
        with self._open_store(), self._bench:
            return tuple(self._release(each) for each in self._prepared)

    def _build_again(self, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        """Outcomes as they were, but for steps that the store turned out to lack."""
        plan = make_full_plan(self._prepared, self._context.store)
        self._observer.planned(plan)
        rebuilt = self._build(plan)
        return tuple(new if new.kind != "reused" else old for old, new in zip(outcomes, rebuilt, strict=True))

    def _build(self, plan: Plan) -> tuple[Outcome, ...]:
        context, settings = self._context, self._context.settings
        refuse_misses(plan, settings)
        inline = [each for each in self._prepared if each.options.weights == "inline"]
        models = {action.key: each.model for each in inline for _, action in each.steps}
        place = Place(context.store, self._bench, settings.scratch / "logs", models)
        executor = Executor(context.toolchains, place, self._observer, keep_going=settings.keep_going)
        return executor.run(plan, settings.jobs)

    def _release_all(self, outcomes: tuple[Outcome, ...]) -> tuple[tuple[Release, ...], tuple[Failure, ...]]:
        usable = {outcome.step.action.key for outcome in outcomes if outcome.kind in {"built", "reused"}}
        releases, failures = [], []
        for each in self._prepared:
            if all(action.key in usable for _, action in each.steps):
                try:
                    releases.append(self._release(each))
                except (ReleaseError, NewerRecordError, SourceError) as error:
                    failures.append(Failure(each.located.recipe.name, each.platform, error))
        self._context.memory.save()
        return tuple(releases), tuple(failures)

    def _release(self, each: Prepared) -> Release:
        """Write a release, unless it is there.

        One that is up to date stays also where its artifacts were compiled just now, because the store was pruned or is a new
        one: it holds what other builds of the same actions made, and others may run from it.
        """
        context, settings = self._context, self._context.settings
        request = release_request(each, settings, checked=context.runs_here(each))

        def is_current() -> bool:
            return request.is_up_to_date(context.verified)

        jobs: RunJob = NoJobs(request.folder.name)
        if not settings.no_build:
            toolchain = context.toolchains[each.options.toolchain, each.platform]
            jobs = ReleaseJobs(request.folder.name, toolchain, self._bench, settings.scratch / "logs", self._observer.note)
        index = None if is_current() else write_release(request, context.store, jobs, is_current)
        if index is None:
            self._observer.note(f"release {request.folder} is up to date")
            return Release(request.recipe, each.platform, request.folder, written=False)
        self._observer.note(f"release {request.folder} written")
        for warning in _warnings(each, index):
            self._observer.note(f"{request.recipe}: {warning}")
        return Release(request.recipe, each.platform, request.folder, written=True)


def _warnings(each: Prepared, index: ReleaseIndex) -> Iterator[str]:
    """What is worth knowing of a release that was just written."""
    if index.padding_matters:
        yield "padding changes this model's results; compile the very lengths that are used"
    reads_text = any(entry.name == "input_ids" for graph in each.subject.task.graphs for entry in graph.inputs)
    if reads_text and not holds_tokenizer(file.path for file in index.files):
        yield "the model has no tokenizer, so its release carries none: texts must be encoded elsewhere"
