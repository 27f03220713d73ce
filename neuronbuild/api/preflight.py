"""Lower every Neuron target of some recipes with torch-xla, before a compile host is paid for."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.api.lowering import Lowerings, read_lowering
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.lowering import Lowering
from neuronbuild.build.workbench import Workbench
from neuronbuild.store.concurrent import do_each
from neuronbuild.toolchain.frontend import NAME, FrontEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.plan.action import Action
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
    missing = [pair for key, pair in wanted.items() if keep is not None or known.get(key) is None]
    if missing:
        front_end = open_front_end(settings)
        front_end.check()

        def look(pair: tuple[Target, Action]) -> None:
            note(pair[0])
            known.put(pair[1].key, _lower(pair[1], front_end, settings, keep))

        do_each(look, missing, at_a_time=settings.jobs, name="preflight")
    return [Finding(target, action.key, known.get(action.key) if _is_lowered(target) else None) for target, action in steps]


def _is_lowered(target: Target) -> bool:
    return target.options.toolchain == LOWERED


def _lower(action: Action, front_end: FrontEnd, settings: Settings, keep: Path | None) -> Lowering:
    """In a process of its own, as torch_neuronx would have it: one trace each."""
    with Workbench(settings.scratch / "work", settings.timeout) as bench, bench.folder() as folder:
        job: dict[str, object] = {"kind": "lower", "action": action.document, "keep": keep is not None}
        answer = bench.run(front_end, job, folder)
        if answer.error is not None:
            return Lowering(problems=(answer.error.message,))
        if keep is not None:
            _keep(folder, answer.result["files"], keep / action.key)
        return read_lowering(answer.result, action.document)


def _keep(folder: Path, names: object, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in names if isinstance(names, list) else []:
        shutil.copyfile(folder / name, place / name)
