"""Plan, build the misses, write the releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.api.jobs import ReleaseJobs
from neuronbuild.api.prepare import Context, Prepared, make_full_plan, prepare
from neuronbuild.build.executor import Executor
from neuronbuild.build.progress import Silent
from neuronbuild.build.report import count
from neuronbuild.build.workbench import Workbench
from neuronbuild.errors import BlobCorruptError, BlobMissingError, ReleaseError
from neuronbuild.release.folder import write_release
from neuronbuild.release.request import ReleaseRequest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.build.progress import Progress
    from neuronbuild.build.report import Outcome
    from neuronbuild.recipe.load import Located


@dataclass(frozen=True, slots=True)
class Release:
    """One release folder; `written` is false if it was up to date."""

    recipe: str
    platform: str
    folder: Path
    written: bool


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What came of every step, the releases, and those that could not be written."""

    outcomes: tuple[Outcome, ...]
    releases: tuple[Release, ...] = ()
    failures: tuple[ReleaseError, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As `apply --json` prints it; `version` rises when the form changes."""
        releases = [{"recipe": r.recipe, "platform": r.platform, "folder": str(r.folder)} for r in self.releases]
        return {
            "version": 1,
            "steps": [outcome.as_json() for outcome in self.outcomes],
            "releases": releases,
            "summary": count(self.outcomes),
        }


def apply(recipes: Iterable[Located], settings: Settings, progress: Progress | None = None) -> ApplyReport:
    """Compile what is missing, then write the releases of all recipes whose every target is there.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: before anything is built.
        InterruptedBuildError: Ctrl-C; what was finished is kept.
    """
    context = Context.open(settings)
    observer = progress or Silent()
    prepared = prepare(recipes, context)
    with Workbench(settings.scratch / "work", settings.timeout) as bench:
        outcomes = _build(prepared, context, bench, observer)
        try:
            releases, failures = _release_all(prepared, outcomes, context, bench, observer)
        except (BlobMissingError, BlobCorruptError) as error:
            observer.note(f"{error}; building it again")
            again = _build(prepared, context, bench, observer)
            outcomes = tuple(new if new.kind != "reused" else old for old, new in zip(outcomes, again, strict=True))
            releases, failures = _release_all(prepared, outcomes, context, bench, observer)
    return ApplyReport(outcomes, tuple(releases), tuple(failures))


def release(recipes: Iterable[Located], settings: Settings, progress: Progress | None = None) -> tuple[Release, ...]:
    """Write releases from what the store has, compiling nothing.

    Raises:
        ReleaseError: a target is missing from the store, or a folder can't be written.
    """
    context = Context.open(settings)
    prepared = prepare(recipes, context)
    misses = make_full_plan(prepared, context.store).misses
    if misses:
        shapes = "; ".join(f"{step.target.recipe} {step.target.shape}" for step in misses)
        raise ReleaseError(misses[0].target.recipe, f"not compiled yet: {shapes}", hint="run `neuronbuild apply`")
    with Workbench(settings.scratch / "work", settings.timeout) as bench:
        return tuple(_release(each, context, bench, progress or Silent()) for each in prepared)


def _build(prepared: list[Prepared], context: Context, bench: Workbench, observer: Progress) -> tuple[Outcome, ...]:
    plan = make_full_plan(prepared, context.store)
    observer.planned(plan)
    settings = context.settings
    executor = Executor(
        context.toolchains, context.store, bench, observer, logs=settings.scratch / "logs", keep_going=settings.keep_going
    )
    return executor.run(plan, settings.jobs)


def _release_all(
    prepared: list[Prepared], outcomes: tuple[Outcome, ...], context: Context, bench: Workbench, observer: Progress
) -> tuple[list[Release], list[ReleaseError]]:
    usable = {outcome.step.action.key for outcome in outcomes if outcome.kind in {"built", "reused"}}
    releases, failures = [], []
    for each in prepared:
        if all(action.key in usable for _, action in each.steps):
            try:
                releases.append(_release(each, context, bench, observer))
            except ReleaseError as error:
                failures.append(error)
    context.memory.save()
    return releases, failures


def release_request(each: Prepared, settings: Settings) -> ReleaseRequest:
    """What the release of a prepared recipe is made from."""
    recipe = each.located.recipe
    name = recipe.release.name or recipe.name
    return ReleaseRequest(
        recipe=recipe.name,
        name=name,
        platform=each.platform,
        task=each.subject.task.name,
        model=each.model,
        keys=tuple(action.key for _, action in each.steps),
        folder=settings.output / f"{name}-{each.platform}",
        toolchain=each.fingerprint.as_json(),
        dynamic_batch_size=recipe.dynamic_batch_size,
        repo=recipe.release.repo,
        link_mode=settings.link_mode,
    )


def _release(each: Prepared, context: Context, bench: Workbench, observer: Progress) -> Release:
    settings = context.settings
    request = release_request(each, settings)
    jobs = ReleaseJobs(request.folder.name, context.toolchains[each.platform], bench, settings.scratch / "logs")
    context.store.record_snapshot(each.model.snapshot)
    written = write_release(request, context.store, jobs)
    observer.note(f"release {request.folder} {'written' if written else 'is up to date'}")
    return Release(request.recipe, each.platform, request.folder, written)
