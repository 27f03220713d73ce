"""Recipes to targets and actions: each for itself, so that one that is wrong leaves the others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from neuronbuild.api.prepared import Prepared
from neuronbuild.api.subjects import refuse_misfits, subject_of, tell_length
from neuronbuild.api.wanted import wanted_of
from neuronbuild.errors import NeuronBuildError, RecipeError, SourceError, SourcesError, ToolchainError
from neuronbuild.plan.action import ActionMaker, Way
from neuronbuild.plan.pipeline import Additions
from neuronbuild.plan.subject import SubjectError
from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.options import blamed
from neuronbuild.recipe.target import DELEGATED
from neuronbuild.toolchain.base import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.errors import Issue
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.target import Options, Target
    from neuronbuild.recipe.yaml_tree import Keys
    from neuronbuild.toolchain.base import Toolchain


class Context(Protocol):
    """What knows models and toolchains."""

    settings: Settings

    def model(self, located: Located) -> Model:
        """The pinned model of a recipe with what is put into it."""

    def toolchain(self, name: str, platform: str) -> tuple[Toolchain, Fingerprint]:
        """A toolchain for a platform, and its fingerprint."""


def prepare_each(recipes: Iterable[Located], context: Context) -> tuple[list[Prepared], list[NeuronBuildError]]:
    """Recipes that can be planned, for every platform that is wanted; and what is wrong with the others, of a kind in one."""
    prepared: list[Prepared] = []
    issues: list[Issue] = []
    faults: list[tuple[Issue, str | None]] = []
    lacks: dict[str, NeuronBuildError] = {}
    causes: list[NeuronBuildError] = []
    for located in recipes:
        try:
            prepared += _prepare(located, context)
        except RecipeError as error:
            causes.append(error)
            issues += error.issues
        except SourceError as error:
            causes.append(error)
            faults.append((located.issue(_blamed(located, error), error.message), error.hint))
        except ToolchainError as error:
            lacks.setdefault(error.message, error)
    told = _told(issues, faults)
    for each in told:
        each.__cause__ = causes[0]
    return prepared, [*told, *lacks.values()]


def _told(issues: list[Issue], faults: list[tuple[Issue, str | None]]) -> list[NeuronBuildError]:
    if issues:
        return [RecipeError([*issues, *(issue for issue, _ in faults)])]
    return [SourcesError(faults)] if faults else []


def _prepare(located: Located, context: Context) -> list[Prepared]:
    model = context.model(located)
    subject = _subject(located, model)
    targets = expand(located, subject.task.name, subject.sizes)
    tell_length(located, targets, subject)
    refuse_misfits(located, targets, subject)
    by_options: dict[Options, list[Target]] = {}
    for target in targets:
        by_options.setdefault(target.options, []).append(target)
    wanted = context.settings.platforms
    prepared = []
    for options, group in by_options.items():
        if wanted is None or options.platform in wanted:
            way = _way(located, options, model, subject, context)
            maker = ActionMaker(subject, way)
            steps = tuple((target, maker.make(target.graph, target.shape)) for target in group)
            prepared.append(Prepared(located, options, model, subject, way.fingerprint, steps))
    return prepared


def _way(located: Located, options: Options, model: Model, subject: Subject, context: Context) -> Way:
    toolchain, fingerprint = context.toolchain(options.toolchain, options.platform)
    weights = {p: d.sha256 for p, d in model.snapshot.weights.items()} if options.weights == "inline" else None
    try:
        compiler = toolchain.options(options, subject.document)
    except OptionError as error:
        raise RecipeError([located.issue(blamed(located, error.keys), str(error))]) from None
    commits = model.commits if options.toolchain == DELEGATED else None
    return Way(options.dtype, compiler, fingerprint, weights, toolchain.attention, commits)


def _subject(located: Located, model: Model) -> Subject:
    recipe = located.recipe
    additions = Additions(tuple((lora.weights, lora.scale) for lora in recipe.lora), len(recipe.controlnet))
    try:
        return subject_of(model, recipe.task, additions)
    except SubjectError as error:
        raise RecipeError([located.issue((error.key,), str(error))]) from None


def _blamed(located: Located, error: SourceError) -> Keys:
    """The keys of the model that a fault is about."""
    return next((each.keys for each in wanted_of(located).values() if error.model in {each.name, each.reference}), ("model",))
