"""Lower every Neuron target of some recipes with torch-xla, before a compile host is paid for."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.api.lowering import Lowerings, read_lowering
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.lowering import Lowering
from neuronbuild.build.workbench import Workbench
from neuronbuild.errors import UsageError
from neuronbuild.store.concurrent import do_each
from neuronbuild.toolchain.frontend import NAME, FrontEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.plan.action import KeyedAction
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.target import Target

LOWERED = "neuronx"
"""The toolchain whose graphs torch-xla lowers."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A target, and what came of lowering it; `None` where its toolchain lowers otherwise, or not at all."""

    target: Target
    key: str
    lowering: Lowering | None


def open_front_end(settings: Settings) -> FrontEnd:
    """The environment that the workspace names, or this user's own."""
    return FrontEnd(settings.toolchain(NAME), environment_of(settings) / "bin/python")


def environment_of(settings: Settings) -> Path:
    """Where `preflight --setup` makes the environment."""
    return settings.scratch / "front-end"


def preflight(
    recipes: Iterable[Located],
    settings: Settings,
    *,
    failures: list[NeuronBuildError] | None = None,
    keep: Path | None = None,
    note: Callable[[Target], None] = lambda _: None,
) -> list[Finding]:
    """Lower each target that goes to neuronx-cc, once an action; what is known already isn't lowered again.

    Args:
        recipes: whose targets.
        settings: of the workspace.
        failures: gets what is wrong with recipes, and the others are looked at; without it, that is raised.
        keep: a folder for the modules, which are then lowered even if all is known of them.
        note: is told of each target before it is lowered.

    Raises:
        RecipeError, SourceError, StoreError: as in a plan.
        ToolchainError: there is no environment with torch-xla.
    """
    steps = [step for each in prepare(recipes, Context.open(settings), failures) for step in each.steps]
    known = Lowerings(settings.scratch)
    wanted = {action.key: (target, action) for target, action in steps if _is_lowered(target)}
    found = {key: None if keep is not None else known.get(key) for key in wanted}
    missing = [wanted[key] for key, lowering in found.items() if lowering is None]
    if missing:
        front_end = open_front_end(settings)
        front_end.check()
        with Workbench(settings.scratch / "work", settings.timeout) as bench:

            def look(pair: tuple[Target, KeyedAction]) -> None:
                note(pair[0])
                found[pair[1].key] = _lower(pair[1], (bench, front_end), known, keep)

            do_each(look, missing, at_a_time=settings.jobs, name="preflight", stop=bench.stop)
    return [Finding(target, action.key, found.get(action.key)) for target, action in steps]


def _is_lowered(target: Target) -> bool:
    return target.options.toolchain == LOWERED


def _lower(action: KeyedAction, where: tuple[Workbench, FrontEnd], known: Lowerings, keep: Path | None) -> Lowering:
    """What comes of one action; it is remembered if it would be the same the next time."""
    bench, front_end = where
    with bench.folder() as folder:
        job: dict[str, object] = {"kind": "lower", "action": action.document, "keep": keep is not None}
        answer = bench.run(front_end, job, folder)
        if answer.error is None:
            lowering = read_lowering(answer.result, action.record)
            if keep is not None:
                _keep(folder, answer.result["files"], keep / action.key)
        else:
            lowering = Lowering(problems=(answer.error.message,))
    if answer.error is None or answer.error.kind == "user":
        known.put(action.key, lowering)
    return lowering


def _keep(folder: Path, names: object, place: Path) -> None:
    """Copy the modules out of a job's folder.

    Raises:
        UsageError: the place can't be written.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in names if isinstance(names, list) else []:
            shutil.copyfile(folder / name, place / name)
    except OSError as error:
        problem = f"{place} can't be written: {error.strerror or error}"
        raise UsageError(problem, hint="name a folder for `--hlo` that you may write, on a disk with room") from None
