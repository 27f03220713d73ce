"""Recipes to targets and actions: each platform of each for itself, so that what is wrong with one hides no other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol, final

from neuronbuild.api.prepared import Prepared
from neuronbuild.api.subjects import refuse_misfits, subject_of, tell_length
from neuronbuild.api.wanted import wanted_of
from neuronbuild.errors import NeuronBuildError, RecipeError, SourceError, SourcesError, ToolchainError
from neuronbuild.plan.action import ActionMaker, CompileOptions
from neuronbuild.plan.foretold import foretold
from neuronbuild.plan.pipeline import Additions
from neuronbuild.plan.subject import SubjectError
from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.options import blamed
from neuronbuild.release.layout import compiled_by
from neuronbuild.tasks.loaders import refusal
from neuronbuild.toolchain.base import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.action import CompileAction
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
    """What can be planned: recipes, each for every platform that is wanted; and what is wrong with the rest.

    A recipe that is wrong for one of its platforms, or lacks a toolchain for it, is planned for the others.
    """
    prepared: list[Prepared] = []
    faults = _Faults()
    for located in recipes:
        with faults.of(located):
            model = context.model(located)
            subject = _subject(located, model)
            for options, group in _by_options(located, subject).items():
                if context.settings.platforms is None or options.platform in context.settings.platforms:
                    with faults.of(located):
                        prepared.append(_prepare(located, options, group, (model, subject), context))
    return prepared, faults.told()


@final
class _Faults:
    """What is wrong with recipes: all that can be told at a place in one of them as one error, and what toolchains lack."""

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._sources: list[tuple[Issue, str | None]] = []
        self._lacks: dict[str, NeuronBuildError] = {}
        self._causes: list[NeuronBuildError] = []

    @contextlib.contextmanager
    def of(self, located: Located) -> Iterator[None]:
        """Keep what is found to be wrong with a recipe, and go on."""
        try:
            yield
        except RecipeError as error:
            self._causes.append(error)
            self._issues += error.issues
        except SourceError as error:
            self._causes.append(error)
            self._sources.append((located.issue(_blamed(located, error), error.message), error.hint))
        except ToolchainError as error:
            self._lacks.setdefault(error.message, error)

    def told(self) -> list[NeuronBuildError]:
        """The errors, recipes' own first."""
        found: list[NeuronBuildError] = []
        if self._issues:
            found = [RecipeError([*self._issues, *(issue for issue, _ in self._sources)])]
        elif self._sources:
            found = [SourcesError(self._sources)]
        for each in found:
            each.__cause__ = self._causes[0]
        return [*found, *self._lacks.values()]


def _by_options(located: Located, subject: Subject) -> dict[Options, list[Target]]:
    """The targets of a recipe, by their options: a group a platform."""
    targets = expand(located, subject.task.name, subject.sizes, subject.dtype)
    tell_length(located, targets, subject)
    refuse_misfits(located, targets, subject)
    by_options: dict[Options, list[Target]] = {}
    for target in targets:
        by_options.setdefault(target.options, []).append(target)
    return by_options


def _prepare(
    located: Located, options: Options, group: list[Target], what: tuple[Model, Subject], context: Context
) -> Prepared:
    model, subject = what
    compile_options = _compile_options(located, options, model, subject, context)
    maker = ActionMaker(subject, compile_options)
    _refuse_shapes(located, options, group, context)
    steps = tuple((target, maker.make(target.graph, target.shape)) for target in group)
    if located.recipe.release.layout is not None:
        _refuse_layout(located, [action.record for _, action in steps])
    return Prepared(located, options, model, subject, compile_options.fingerprint, steps)


def _compile_options(located: Located, options: Options, model: Model, subject: Subject, context: Context) -> CompileOptions:
    toolchain, fingerprint = context.toolchain(options.toolchain, options.platform)
    weights = {p: d.sha256 for p, d in model.snapshot.weights.items()} if options.weights == "inline" else None
    try:
        _refuse_known(options, subject, fingerprint)
        compiler = toolchain.options(options, subject.model)
    except OptionError as error:
        raise RecipeError([located.issue(blamed(located, error.keys), str(error))]) from None
    commits = model.commits if options.exported else None
    return CompileOptions(options.dtype, compiler, fingerprint, weights, toolchain.attention, commits)


def _refuse_known(options: Options, subject: Subject, fingerprint: Fingerprint) -> None:
    """Stop at what is known never to work with these versions.

    Raises:
        OptionError: with what is known, and what to do.
    """
    trouble = foretold(fingerprint.versions, subject.family.model_type, options)
    if trouble is not None and trouble.outcome == "refused":
        keys = (trouble.options[0][0],)
        raise OptionError(keys, f"{trouble.problem} ({trouble.source}); {trouble.advice}")


def _refuse_layout(located: Located, actions: list[CompileAction]) -> None:
    """Stop at a release for optimum-neuron that it couldn't load.

    Raises:
        RecipeError: with the reason.
    """
    reason = refusal(compiled_by(actions))
    if reason is not None:
        raise RecipeError([located.issue(("release", "layout"), f"{reason.rstrip('.')}; leave this out")])


def _refuse_shapes(located: Located, options: Options, group: list[Target], context: Context) -> None:
    toolchain, _ = context.toolchain(options.toolchain, options.platform)
    faults = dict(fault for target in group if (fault := toolchain.misfit(options, target.shape)) is not None)
    if faults:
        raise RecipeError([located.issue(("shapes", axis), reason) for axis, reason in faults.items()])


def _subject(located: Located, model: Model) -> Subject:
    recipe = located.recipe
    additions = Additions(tuple((lora.weights, lora.scale) for lora in recipe.lora), len(recipe.controlnet))
    try:
        return subject_of(model, recipe.task, additions, delegated=recipe.delegates)
    except SubjectError as error:
        raise RecipeError([located.issue((error.key,), str(error))]) from None


def _blamed(located: Located, error: SourceError) -> Keys:
    """The keys of the model that a fault is about."""
    return next((each.keys for each in wanted_of(located).values() if error.model in {each.name, each.reference}), ("model",))
