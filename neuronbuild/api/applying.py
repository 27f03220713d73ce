"""Plan, build the misses, write the releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.api.prepare import Context, make_full_plan, prepare, refuse_misses
from neuronbuild.api.requests import Release, release_request
from neuronbuild.api.usage import note_use
from neuronbuild.build.progress import Silent
from neuronbuild.build.report import Outcome, count
from neuronbuild.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.requests import Failure
    from neuronbuild.api.settings import Settings
    from neuronbuild.build.progress import Progress
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.located import Located


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What came of every step, the releases, and those that could not be written."""

    outcomes: tuple[Outcome, ...]
    releases: tuple[Release, ...] = ()
    failures: tuple[Failure, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As `apply --json` prints it; `version` rises when the form changes."""
        releases = [{"recipe": r.recipe, "platform": r.platform, "folder": str(r.folder)} for r in self.releases]
        return {
            "version": 1,
            "steps": [outcome.as_json() for outcome in self.outcomes],
            "releases": releases,
            "failures": [failure.as_json() for failure in self.failures],
            "summary": count(self.outcomes),
        }


def apply(
    recipes: Iterable[Located],
    settings: Settings,
    progress: Progress | None = None,
    failures: list[NeuronBuildError] | None = None,
) -> ApplyReport:
    """Compile what is missing, then write the releases of all recipes whose every target is there.

    `failures` gets what is wrong with recipes that can't be planned, and the others are built, if there are any; without it,
    that is raised.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: before anything is built.
        InterruptedBuildError: Ctrl-C; what was finished is kept.
        NotBuiltError: something would have to be compiled, and the settings say `no_build`.
    """
    context = Context.open(settings)
    observer = progress or Silent()
    prepared = prepare(recipes, context, failures)
    if failures and not prepared:
        return ApplyReport(())
    plan = make_full_plan(prepared, context.store)
    refuse_misses(plan, settings)
    observer.planned(plan)
    requests = [release_request(each, settings, checked=context.runs_here(each)) for each in prepared]
    if not plan.misses and all(request.is_up_to_date(context.verified) for request in requests):
        releases = tuple(Release(request.recipe, request.platform, request.folder, written=False) for request in requests)
        note_use(context.store, reused=[step.action.key for step in plan.steps], built=0)
        return ApplyReport(tuple(Outcome(step, "reused") for step in plan.steps), releases)
    from neuronbuild.api.working import Work  # what builds and writes: a quarter of a no-op's time, for nothing

    return ApplyReport(*Work(prepared, context, observer).build_and_release(plan))


def release(recipes: Iterable[Located], settings: Settings, progress: Progress | None = None) -> tuple[Release, ...]:
    """Write releases from what the store has, compiling nothing.

    Raises:
        ReleaseError: a target is missing from the store, or a folder can't be written.
    """
    context = Context.open(settings)
    prepared = prepare(recipes, context)
    misses = make_full_plan(prepared, context.store).misses
    if misses:
        shapes = "; ".join(str(step.target) for step in misses)
        raise ReleaseError(misses[0].target.recipe, f"not compiled yet: {shapes}", hint="run `neuronbuild apply`")
    from neuronbuild.api.working import Work

    return Work(prepared, context, progress or Silent()).release()
