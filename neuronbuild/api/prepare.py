"""From recipes to a plan: resolve models, ask toolchains who they are, ask the store what it has."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.api.drift import model_drift, toolchain_drift
from neuronbuild.api.known_actions import explain_misses
from neuronbuild.api.locking import FetchedFiles, LockedFiles, locked_model, make_lock, read_lock, write_lock
from neuronbuild.api.lowering import Lowerings
from neuronbuild.api.preparing import prepare_each
from neuronbuild.api.trusting import open_trust
from neuronbuild.api.wanted import Wanted, wanted_of
from neuronbuild.artifact.snapshot import with_parts
from neuronbuild.errors import (
    LockError,
    NotBuiltError,
    SourceError,
    ToolchainError,
    UnsupportedModelError,
    together,
)
from neuronbuild.intact import MEMORY
from neuronbuild.plan.planner import Plan, make_plan
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.source.resolve import Search, open_memory, resolve_model
from neuronbuild.store.location import open_layers
from neuronbuild.store.sharing import SharingPolicy
from neuronbuild.toolchain.registry import open_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.api.prepared import Prepared
    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.lockfile import LockFile
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.located import Located
    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.store.base import ArtifactReader, BuildStore
    from neuronbuild.toolchain.base import Toolchain

LICENCES = "licences.json"
"""Name of the file, in the user's cache folder, that remembers what this machine has seen of models' licences."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Context:
    """What one command opens once: toolchains, fingerprints, models, the store, the lock."""

    settings: Settings
    store: BuildStore
    memory: DigestMemory
    verified: VerifiedReleases
    sharing: SharingPolicy
    lock: LockFile | None = None
    toolchains: dict[tuple[str, str], Toolchain] = field(default_factory=dict)
    fingerprints: dict[tuple[str, str], Fingerprint] = field(default_factory=dict)
    models: dict[Wanted, Model | SourceError] = field(default_factory=dict)
    drift: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the store and the lock that the settings name.

        Raises:
            StoreError, LockError, UsageError: as their names say.
        """
        sharing = SharingPolicy(settings.share_weights, settings.scratch / LICENCES)
        store = open_layers(
            settings.cache,
            settings.remotes,
            trust=open_trust(settings),
            sharing=sharing,
            ttl=settings.lease,
            strict=settings.locked or settings.no_build,
        )
        lock = read_lock(settings.lock)
        if lock is None and settings.locked:
            raise LockError(str(settings.lock), "there is none", hint="run `neuronbuild lock` and commit the file")
        return cls(settings, store, open_memory(), VerifiedReleases(settings.scratch / MEMORY, store), sharing, lock)

    def toolchain(self, name: str, platform: str) -> tuple[Toolchain, Fingerprint]:
        """A toolchain for a platform and its fingerprint, asked for once; the locked one where it isn't there."""
        key = (name, platform)
        if key not in self.fingerprints:
            toolchain = open_toolchain(name, platform, self.settings.toolchain(name))
            locked = self.lock.fingerprint(name, platform) if self.lock else None
            self.fingerprints[key] = self._fingerprint(toolchain, platform, locked)
            self.toolchains[key] = toolchain
        return self.toolchains[key], self.fingerprints[key]

    def runs_here(self, each: Prepared) -> bool:
        """Whether this host can run what a recipe is compiled to."""
        return self.toolchain(each.options.toolchain, each.platform)[0].runs_here(each.platform)

    def _fingerprint(self, toolchain: Toolchain, platform: str, locked: Fingerprint | None) -> Fingerprint:
        """The present one, else the locked one; where nothing is to be compiled the locked one, whatever is here."""
        pinned = locked if self.settings.no_build else None
        if pinned is not None and not self.settings.locked:
            return pinned
        try:
            present = toolchain.fingerprint(platform)
        except ToolchainError:
            if locked is None:
                raise
            return locked
        if self.lock is not None:
            self.drift |= {found for found in (toolchain_drift(locked, present),) if found}
        return pinned or present

    def model(self, located: Located) -> Model:
        """The pinned model of a recipe with what is put into it; each is resolved once for all recipes that name it.

        Raises:
            SourceError: one can't be found, reached or used.
        """
        found = {place: self._model(wanted) for place, wanted in wanted_of(located).items()}
        main = found.pop("")
        return with_parts(main, found) if found else main

    def _model(self, wanted: Wanted) -> Model:
        """By the lock where it names it."""
        if wanted not in self.models:
            try:
                self.models[wanted] = self._locked_model(wanted) if self.lock else self._resolve(wanted, wanted.revision)
            except SourceError as error:
                self.models[wanted] = error
        found = self.models[wanted]
        if isinstance(found, SourceError):
            raise found
        return found

    def _resolve(self, wanted: Wanted, revision: str | None) -> Model:
        search = Search(wanted.layouts, wanted.trusted, self.settings.offline)
        found = resolve_model(wanted.reference, revision, base=wanted.base, memory=self.memory, search=search)
        return replace(found, snapshot=replace(found.snapshot, model=wanted.name)) if wanted.file else found

    def _locked_model(self, wanted: Wanted) -> Model:
        """A model on the Hub is what the lock says, without asking. One in a folder is looked at, if it is there."""
        root = self.settings.lock.parent if self.settings.lock else Path()
        locked = self.lock.model(wanted.locked_as(root)) if self.lock else None
        if locked is None:
            self.drift.add(f"model {wanted.name}: not in the lock")
            return self._resolve(wanted, wanted.revision)
        if locked.commit is None and (self.settings.locked or not self.settings.no_build):
            try:
                present = self._resolve(wanted, None)
            except UnsupportedModelError:
                raise  # what was put beside it since says that it is meant to be another model
            except SourceError:
                pass  # known by the lock all the same
            else:
                self.drift |= {found for found in (model_drift(locked.snapshot, present.snapshot),) if found}
                if not self.settings.no_build:
                    return present
        files = LockedFiles(
            locked,
            lambda: self._resolve(wanted, locked.commit),
            self.store,
            FetchedFiles(self.settings.scratch / "models", self.memory),
            store_first=self.settings.no_build,
        )
        return locked_model(locked, files, described=any(layout.document for layout in wanted.layouts))


def plan(recipes: Iterable[Located], settings: Settings, failures: list[NeuronBuildError] | None = None) -> Plan:
    """What exists and what must be compiled, and why. Compiles nothing and imports no torch.

    `failures` gets what is wrong with recipes, and the others are planned, if there are any; without it, that is raised.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context = Context.open(settings)
    made = make_full_plan(prepare(recipes, context, failures), context.store)
    return explain_misses(made, context.store).with_lowerings(Lowerings(settings.scratch).get)


def lock(recipes: Iterable[Located], settings: Settings, failures: list[NeuronBuildError] | None = None) -> bool:
    """Write the lock of some recipes, by what they come to now, and say whether it changed.

    `failures` gets what is wrong with recipes; without it, that is raised. Where there are any, nothing is written.

    Raises:
        RecipeError, SourceError, ToolchainError, LockError: as their names say.
    """
    if settings.lock is None:
        raise LockError("neuronbuild.lock", "no place is named for it", hint="set Settings.lock")
    context = Context.open(replace(settings, lock=None, locked=False))
    prepared = prepare(recipes, context, failures)
    return not failures and write_lock(settings.lock, make_lock(prepared, settings.lock.parent))


def make_full_plan(prepared: Iterable[Prepared], store: ArtifactReader) -> Plan:
    """One plan for all, against what the store has now."""
    steps = [step for each in prepared for step in each.steps]
    return make_plan(steps, store.known({action.key for _, action in steps}))


def refuse_misses(plan: Plan, settings: Settings) -> None:
    """Stop at a plan that would compile something, where that isn't wanted.

    Raises:
        NotBuiltError: with every miss.
    """
    if settings.no_build and plan.misses:
        raise NotBuiltError([f"{step.target}: {step.reason}" for step in plan.misses])


def prepare(recipes: Iterable[Located], context: Context, failures: list[NeuronBuildError] | None = None) -> list[Prepared]:
    """Resolve every recipe, for every platform that is wanted.

    Args:
        recipes: what to prepare.
        context: what is opened once for all of them.
        failures: gets what is wrong with recipes, and the others are prepared, if there are any; without it, that is raised.

    Raises:
        RecipeError: with what is wrong in any of them, their models included.
        SourcesError: nothing is wrong but with models.
        ToolchainError: as its name says. The first of these that applies tells the others.
        LockError: something has drifted from the lock, and `locked` is set.
    """
    prepared, wrong = prepare_each(recipes, context)
    context.memory.save()
    if failures is not None:
        failures += wrong
    elif wrong:
        raise together(wrong)
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
