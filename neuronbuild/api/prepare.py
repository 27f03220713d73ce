"""From recipes to a plan: resolve models, ask toolchains who they are, ask the store what it has."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.api.locking import LockedFiles, drift_of, lock_name, locked_model, make_lock, read_lock, write_lock
from neuronbuild.api.prepared import Prepared
from neuronbuild.api.trusting import open_trust
from neuronbuild.errors import LockError, NotBuiltError, RecipeError, SourceError, SourcesError, ToolchainError
from neuronbuild.plan.action import ActionMaker, Way
from neuronbuild.plan.planner import Plan, make_plan
from neuronbuild.plan.subject import SENTENCE_MODULES, SubjectError, make_subject, pooling_file
from neuronbuild.recipe.grid import expand
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.source.resolve import open_memory, resolve_model
from neuronbuild.store.location import open_layers
from neuronbuild.tasks.table import SEQUENCE
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.registry import open_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.lockfile import LockFile
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.errors import Issue
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.load import Located
    from neuronbuild.recipe.target import Options, Target
    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.store.base import Store
    from neuronbuild.toolchain.base import Toolchain

VERIFIED = "releases.json"
"""Name of the file, in the user's cache folder, that remembers which releases were found whole."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Context:
    """What one command opens once: toolchains, fingerprints, models, the store, the lock."""

    settings: Settings
    store: Store
    memory: DigestMemory
    verified: VerifiedReleases
    lock: LockFile | None = None
    toolchains: dict[tuple[str, str], Toolchain] = field(default_factory=dict)
    fingerprints: dict[tuple[str, str], Fingerprint] = field(default_factory=dict)
    models: dict[tuple[str, str | None, Path, bool], Model | SourceError] = field(default_factory=dict)
    drift: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the store and the lock that the settings name.

        Raises:
            StoreError, LockError, UsageError: as their names say.
        """
        store = open_layers(
            settings.cache, settings.remotes, trust=open_trust(settings), share=settings.share_weights, ttl=settings.lease
        )
        lock = read_lock(settings.lock)
        if lock is None and settings.locked:
            raise LockError(str(settings.lock), "there is none", hint="run `neuronbuild lock` and commit the file")
        return cls(settings, store, open_memory(), VerifiedReleases(settings.scratch / VERIFIED), lock)

    def toolchain(self, name: str, platform: str) -> tuple[Toolchain, Fingerprint]:
        """A toolchain for a platform and its fingerprint, asked for once; the locked one where it isn't there."""
        key = (name, platform)
        if key not in self.toolchains:
            self.toolchains[key] = toolchain = open_toolchain(name, platform, self.settings.toolchain(name))
            locked = self.lock.fingerprint(name, platform) if self.lock else None
            pinned = locked if self.settings.no_build else None
            self.fingerprints[key] = pinned or self._ask(toolchain, platform, locked)
        return self.toolchains[key], self.fingerprints[key]

    def runs_here(self, each: Prepared) -> bool:
        """Whether this host can run what a recipe is compiled to."""
        return self.toolchain(each.options.toolchain, each.platform)[0].runs_here(each.platform)

    def _ask(self, toolchain: Toolchain, platform: str, locked: Fingerprint | None) -> Fingerprint:
        try:
            present = toolchain.fingerprint(platform)
        except ToolchainError:
            if locked is None:
                raise
            return locked
        if self.lock is not None and present != locked:
            self.drift.add(f"toolchain for {platform}: {'not in the lock' if locked is None else 'another one'}")
        return present

    def model(self, located: Located) -> Model:
        """The pinned model of a recipe, resolved once for all recipes that name it; by the lock where it names it too.

        Raises:
            SourceError: it can't be found, reached or used.
        """
        recipe = located.recipe
        base = located.path.parent
        key = (recipe.model, recipe.revision, base, recipe.trust_remote_code)
        if key not in self.models:
            try:
                self.models[key] = self._locked_model(located) if self.lock else self._resolve(located, recipe.revision)
            except SourceError as error:
                self.models[key] = error
        found = self.models[key]
        if isinstance(found, SourceError):
            raise found
        return found

    def _resolve(self, located: Located, revision: str | None) -> Model:
        recipe = located.recipe
        return resolve_model(
            recipe.model,
            revision,
            base=located.path.parent,
            memory=self.memory,
            trust_remote_code=recipe.trust_remote_code,
        )

    def _locked_model(self, located: Located) -> Model:
        """A model on the Hub is what the lock says, without asking. One in a folder is looked at, if it is there."""
        root = self.settings.lock.parent if self.settings.lock else Path()
        locked = self.lock.model(lock_name(located, root)) if self.lock else None
        if locked is None:
            self.drift.add(f"model {located.recipe.model}: not in the lock")
            return self._resolve(located, located.recipe.revision)
        if locked.commit is None and not self.settings.no_build:
            try:
                present = self._resolve(located, None)
            except SourceError:
                pass  # known by the lock all the same
            else:
                self.drift |= {found for found in (drift_of(locked.snapshot, present.snapshot),) if found}
                return present
        files = LockedFiles(
            locked,
            lambda: self._resolve(located, locked.commit),
            self.store,
            self.settings.scratch / "models",
            store_first=self.settings.no_build,
        )
        return locked_model(locked, files)


def plan(recipes: Iterable[Located], settings: Settings) -> Plan:
    """What exists and what must be compiled, and why. Compiles nothing and imports no torch.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context = Context.open(settings)
    return make_full_plan(prepare(recipes, context), context.store)


def lock(recipes: Iterable[Located], settings: Settings) -> bool:
    """Write the lock of some recipes, by what they come to now, and say whether it changed.

    Raises:
        RecipeError, SourceError, ToolchainError, LockError: as their names say.
    """
    if settings.lock is None:
        raise LockError("neuronbuild.lock", "no place is named for it", hint="set Settings.lock")
    context = Context.open(replace(settings, lock=None, locked=False))
    return write_lock(settings.lock, make_lock(prepare(recipes, context), settings.lock.parent))


def make_full_plan(prepared: Iterable[Prepared], store: Store) -> Plan:
    """One plan for all, against what the store has now."""
    steps = [step for each in prepared for step in each.steps]
    return make_plan(steps, store.known({action.key for _, action in steps}))


def refuse_misses(plan: Plan, settings: Settings) -> None:
    """Stop at a plan that would compile something, where that isn't wanted.

    Raises:
        NotBuiltError: with every miss.
    """
    if settings.no_build and plan.misses:
        raise NotBuiltError([f"{step.target.recipe} {step.target.shape}: {step.reason}" for step in plan.misses])


def prepare(recipes: Iterable[Located], context: Context) -> list[Prepared]:
    """Resolve every recipe, for every platform that is wanted.

    Raises:
        RecipeError: with what is wrong in any of them, their models included.
        SourcesError: nothing is wrong but with models.
        ToolchainError: as its name says.
        LockError: something has drifted from the lock, and `locked` is set.
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
    _tell_drift(context)
    return prepared


def _tell_drift(context: Context) -> None:
    """Stop at a drift from the lock where it counts; elsewhere mention it."""
    if not context.drift:
        return
    text = f"what is here isn't what was locked: {'; '.join(sorted(context.drift))}"
    if context.settings.locked:
        raise LockError(str(context.settings.lock), text, hint="go back to it, or run `neuronbuild lock` and commit the file")
    logger.warning("%s; going by what is here (`neuronbuild lock` locks it)", text)


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
        raise RecipeError([located.issue(error.keys, str(error))]) from None
    return Way(options.dtype, compiler, fingerprint, weights, toolchain.attention)


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
