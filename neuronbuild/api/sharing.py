"""Push and pull: a store's artifacts to and from far stores, all of them or those of some recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.action import CompileAction
from neuronbuild.artifact.manifest import Manifest
from neuronbuild.digest import ActionKey
from neuronbuild.errors import DamageError, ForeignRecordError, SourceError, StoreError, UsageError
from neuronbuild.store.care.verify import snapshot_fault
from neuronbuild.store.cas_reader import recorded, understand
from neuronbuild.store.concurrent import do_each
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.names import action_name, key_of, list_actions, list_snapshots
from neuronbuild.store.sharing import kept_here
from neuronbuild.store.transfer import complete, copy_artifact, copy_file_in
from neuronbuild.store.trust import SNAPSHOT, UNTRUSTED, add_signatures, missing_signatures, signers_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from neuronbuild.api.prepared import Prepared
    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.recipe.located import Located
    from neuronbuild.store.cas import CasStore
    from neuronbuild.store.sharing import SharingPolicy

AT_A_TIME = 8


@dataclass(frozen=True, slots=True)
class Moved:
    """What went from one store to another, what was there already, what was left out and why, and what failed.

    `signed` counts what was there without a signature that is trusted here, and has one now.
    """

    source: str
    target: str
    artifacts: int
    present: int
    size: int
    left_out: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    signed: int = 0

    def as_json(self) -> dict[str, object]:
        """As `cache push --json` and `cache pull --json` print it."""
        counts = {"artifacts": self.artifacts, "present": self.present, "signed": self.signed, "bytes": self.size}
        more = {"left_out": list(self.left_out), "failures": list(self.failures)}
        return {"version": 1, "from": self.source, "to": self.target, **counts, **more}


def push(
    recipes: Iterable[Located] | None,
    settings: Settings,
    failures: list[NeuronBuildError] | None = None,
    *,
    weights: bool = False,
) -> list[Moved]:
    """Send what far stores lack: everything, or what some recipes need. With `weights`, their models' files as well.

    `failures` gets what is wrong with recipes; without it, that is raised. Where there are any, nothing is sent.

    Raises:
        UsageError: there is no far store that can be written.
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context, store = _open(settings)
    prepared = None if recipes is None else prepare(recipes, context, failures)
    if failures:
        return []
    for each in prepared or ():
        context.sharing.learn(each.model.snapshot)
    fars = [far.store for far in store.fars if not far.read_only]
    if not fars:
        raise UsageError("there is no far store to push to", hint="name one that isn't read-only with --remote")
    done = []
    for far in fars:
        moved = _move(store.near, far, _wanted(store.near, prepared), context.sharing)
        copy_snapshots(store.near, far)
        if weights:
            moved = _send_models(moved, prepared or (), far, context.sharing)
        done.append(moved)
    return done


def pull(recipes: Iterable[Located] | None, settings: Settings, failures: list[NeuronBuildError] | None = None) -> list[Moved]:
    """Fetch what the near store lacks: everything that far stores have, or what some recipes need.

    `failures` gets what is wrong with recipes; without it, that is raised. Where there are any, nothing is fetched.

    Raises:
        UsageError: there is no far store.
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context, store = _open(settings)
    prepared = None if recipes is None else prepare(recipes, context, failures)
    if failures:
        return []
    done = []
    for far in (far.store for far in store.fars):
        done.append(_move(far, store.near, _wanted(far, prepared)))
        copy_snapshots(far, store.near)
    return done


def _open(settings: Settings) -> tuple[Context, LayeredStore]:
    context = Context.open(settings)
    if not isinstance(context.store, LayeredStore):
        hint = "name one with --remote, NEURONBUILD_REMOTE, or `remote:` in neuronbuild.yaml"
        raise UsageError("there is no far store", hint=hint)
    return context, context.store


def _wanted(source: CasStore, prepared: list[Prepared] | None) -> set[ActionKey]:
    """Keys in a store: all, or those of some recipes, with the conversions and checks that their releases take."""
    if prepared is None:
        listed = {key for key, _ in list_actions(source.objects)}
        refused = map(key_of, source.objects.refused)
        return listed.union(key for key in refused if key is not None)
    keys = {action.key for each in prepared for _, action in each.steps}
    weights = {digest.sha256 for each in prepared for digest in each.model.snapshot.weights.values()}
    for manifest in source.manifests():
        action = manifest.action
        if not isinstance(action, CompileAction) and action.checkpoint and weights.issuperset(action.checkpoint.values()):
            keys.add(manifest.key)
    return keys


def _move(source: CasStore, target: CasStore, keys: Collection[ActionKey], sharing: SharingPolicy | None = None) -> Moved:
    """Copy what the target lacks, and what lacks a signature there. `sharing` says what may be copied, where others use it."""
    here = recorded(source, keys)
    there = complete(target, recorded(target, here))
    left_out: set[str] = set()

    def move(key: ActionKey) -> int | str:
        problem = None if sharing is None else _objection(source, key, sharing)
        if problem is not None:
            left_out.add(problem)
            return ""
        try:
            return copy_artifact(source, target, key)
        except (DamageError, ForeignRecordError) as error:
            return error.message

    results = do_each(move, sorted(here - there), at_a_time=AT_A_TIME, name="copy")
    signable = sorted(there) if source.trust.signer else []
    signed = do_each(lambda key: _add_trust(source, target, key), signable, at_a_time=AT_A_TIME, name="sign")
    results += [each for each in signed if isinstance(each, str)]
    sizes = [result for result in results if isinstance(result, int)]
    failures = tuple(result for result in results if isinstance(result, str) and result)
    missing = tuple(f"store {source.location}: artifact {key} isn't there" for key in sorted(set(keys) - here - there))
    return Moved(
        source.location,
        target.location,
        len(sizes),
        len(there),
        sum(sizes),
        tuple(sorted(left_out)),
        failures + missing,
        signed.count(True),
    )


def _objection(source: CasStore, key: ActionKey, sharing: SharingPolicy) -> str | None:
    """Why an artifact isn't to go where others would use it, or `None`."""
    manifest = understand(source, key, source.objects.read(action_name(key)) or b"")
    return (sharing.objection(manifest) if isinstance(manifest, Manifest) else None) or kept_here(source, key)


def _add_trust(source: CasStore, target: CasStore, key: ActionKey) -> bool | str:
    """Have the target's record trusted where ours is, by our signatures or by our copy; says whether that was needed."""
    name = action_name(key)
    ours, theirs = source.objects.read(name) or b"", target.objects.look(name)
    if theirs is None or not isinstance(understand(source, key, ours), Manifest):
        return False
    made = missing_signatures(ours, theirs.data, source.trust)
    if made:
        return target.objects.write(name, add_signatures(theirs.data, made), theirs.tag) is not None
    if understand(target, key, theirs.data) != UNTRUSTED or not source.trust.serves_others(ours):
        return False
    try:
        copy_artifact(source, target, key)
    except (DamageError, ForeignRecordError) as error:
        return error.message
    return True


def copy_snapshots(source: CasStore, target: CasStore) -> None:
    """The lists of models' files: small, and named by what is in them. What isn't what its name says stays where it is.

    One that a trusted builder signed goes over others.
    """
    there = {sha256 for sha256, _ in list_snapshots(target.objects)}
    for sha256, entry in list(list_snapshots(source.objects)):
        if sha256 in there and not source.trust.keys:
            continue
        data, found = source.objects.read(entry.name), target.objects.look(entry.name)
        if data is None or snapshot_fault(sha256, data) is not None:
            continue
        if found is None:
            target.objects.write(entry.name, data, None)
        elif not signers_of(found.data, kind=SNAPSHOT) and source.trust.has_signed(data, SNAPSHOT):
            target.objects.write(entry.name, data, found.tag)


def _send_models(moved: Moved, prepared: Iterable[Prepared], far: CasStore, sharing: SharingPolicy) -> Moved:
    """The files of recipes' models, for machines that can't reach their source."""
    size, left_out, failures = moved.size, list(moved.left_out), list(moved.failures)
    models: dict[str, Model] = {each.model.snapshot.digest.sha256: each.model for each in prepared}
    for model in models.values():
        problem = sharing.objection_to(digest.sha256 for digest in model.snapshot.files.values())
        if problem is not None:
            left_out.append(problem)
            continue
        try:
            far.record_snapshot(model.snapshot)
            for name, digest in model.snapshot.files.items():
                size += copy_file_in(model.open_file(name), digest, far)
        except (SourceError, StoreError) as error:
            failures.append(error.message)
    return replace(moved, size=size, left_out=tuple(left_out), failures=tuple(failures))
