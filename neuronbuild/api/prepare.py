"""From recipes to a plan: resolve models, ask toolchains who they are, ask the store what it has."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.errors import RecipeError, SourceError, SourcesError
from neuronbuild.plan.action import ActionMaker
from neuronbuild.plan.planner import Plan, make_plan
from neuronbuild.plan.subject import SENTENCE_MODULES, SubjectError, make_subject, pooling_file
from neuronbuild.recipe.grid import expand
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.source.resolve import open_memory, resolve_model
from neuronbuild.store.location import open_store
from neuronbuild.tasks.table import SEQUENCE
from neuronbuild.toolchain.registry import open_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.errors import Issue
    from neuronbuild.plan.action import Action
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.load import Located
    from neuronbuild.recipe.target import Options, Target
    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.store.cas import CasStore
    from neuronbuild.toolchain.base import Toolchain

VERIFIED = "releases.json"
"""Name of the file, in the user's cache folder, that remembers which releases were found whole."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe for one platform, with everything known that its release needs."""

    located: Located
    platform: str
    model: Model
    subject: Subject
    fingerprint: Fingerprint
    steps: tuple[tuple[Target, Action], ...]


@dataclass(slots=True)
class Context:
    """What one command opens once: toolchains, fingerprints, models, the store."""

    settings: Settings
    store: CasStore
    memory: DigestMemory
    verified: VerifiedReleases
    toolchains: dict[str, Toolchain] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    models: dict[tuple[str, str | None, Path, bool], Model | SourceError] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the store that the settings name.

        Raises:
            StoreError: it can't be one.
        """
        return cls(settings, open_store(settings.cache), open_memory(), VerifiedReleases(settings.scratch / VERIFIED))

    def fingerprint(self, platform: str) -> Fingerprint:
        """The fingerprint of the toolchain for a platform, asked for once."""
        if platform not in self.fingerprints:
            toolchain = open_toolchain(platform, scratch=self.settings.scratch / "toolchains", isa=self.settings.isa)
            self.fingerprints[platform] = toolchain.fingerprint(platform)
            self.toolchains[platform] = toolchain
        return self.fingerprints[platform]

    def model(self, located: Located) -> Model:
        """The pinned model of a recipe, resolved once for all recipes that name it.

        Raises:
            SourceError: it can't be found, reached or used.
        """
        recipe = located.recipe
        base = located.path.parent
        key = (recipe.model, recipe.revision, base, recipe.trust_remote_code)
        if key not in self.models:
            try:
                self.models[key] = resolve_model(
                    recipe.model, recipe.revision, base=base, memory=self.memory, trust_remote_code=recipe.trust_remote_code
                )
            except SourceError as error:
                self.models[key] = error
        found = self.models[key]
        if isinstance(found, SourceError):
            raise found
        return found


def plan(recipes: Iterable[Located], settings: Settings) -> Plan:
    """What exists and what must be compiled, and why. Compiles nothing and imports no torch.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context = Context.open(settings)
    return make_full_plan(prepare(recipes, context), context.store)


def make_full_plan(prepared: Iterable[Prepared], store: CasStore) -> Plan:
    """One plan for all, against what the store has now."""
    steps = [step for each in prepared for step in each.steps]
    return make_plan(steps, store.known({action.key for _, action in steps}))


def prepare(recipes: Iterable[Located], context: Context) -> list[Prepared]:
    """Resolve every recipe, for every platform that is wanted.

    Raises:
        RecipeError: with what is wrong in any of them, their models included.
        SourcesError: nothing is wrong but with models.
        ToolchainError: as its name says.
    """
    prepared: list[Prepared] = []
    issues: list[Issue] = []
    faults: list[tuple[Issue, str | None]] = []
    for located in recipes:
        try:
            prepared += _prepare(located, context)
        except RecipeError as error:
            issues += error.issues
        except SourceError as error:
            faults.append((located.issue(("model",), str(error)), error.hint))
    context.memory.save()
    if issues:
        raise RecipeError([*issues, *(issue for issue, _ in faults)])
    if faults:
        raise SourcesError(faults)
    return prepared


def _prepare(located: Located, context: Context) -> list[Prepared]:
    model = context.model(located)
    subject = _subject(located, model)
    targets = expand(located, subject.task.name, subject.sizes)
    _tell_length(located, targets, subject)
    _refuse_misfits(located, targets, subject)
    by_options: dict[Options, list[Target]] = {}
    for target in targets:
        by_options.setdefault(target.options, []).append(target)
    wanted = context.settings.platforms
    prepared = []
    for options, group in by_options.items():
        if wanted is None or options.platform in wanted:
            fingerprint = context.fingerprint(options.platform)
            weights = {p: d.sha256 for p, d in model.snapshot.weights.items()} if options.weights == "inline" else None
            maker = ActionMaker(subject, options, fingerprint, weights)
            steps = tuple((target, maker.make(target.graph, target.shape)) for target in group)
            prepared.append(Prepared(located, options.platform, model, subject, fingerprint, steps))
    return prepared


def _subject(located: Located, model: Model) -> Subject:
    modules = model.read_json(SENTENCE_MODULES)
    pooling = pooling_file(modules)
    code = {path: digest.sha256 for path, digest in model.snapshot.files.items() if path.endswith(".py")}
    try:
        return make_subject(
            model.config,
            task=located.recipe.task,
            modules=modules,
            pooling=model.read_json(pooling) if pooling else None,
            code=code,
        )
    except SubjectError as error:
        raise RecipeError([located.issue((error.key,), str(error))]) from None


def _tell_length(located: Located, targets: list[Target], subject: Subject) -> None:
    """A length that nobody asked for takes memory and time in proportion, so it is told."""
    shapes = located.recipe.shapes
    if subject.task.optional.get(SEQUENCE, 0) is None and SEQUENCE not in {
        *shapes.axes,
        *(axis for point in shapes.include for axis in point),
    }:
        length = targets[0].shape.as_dict()[SEQUENCE]
        rest = f" of the {subject.longest} that the model can read" if length != subject.longest else ""
        logger.warning("%s: no sequence_length is given; taking %d tokens%s", located.recipe.name, length, rest)


def _refuse_misfits(located: Located, targets: list[Target], subject: Subject) -> None:
    sizes = sorted({pair for target in targets for pair in target.shape.axes})
    faults = {axis: fault for axis, size in reversed(sizes) if (fault := subject.misfit(axis, size)) is not None}
    if faults:
        raise RecipeError([located.issue(("shapes", axis), fault) for axis, fault in faults.items()])
