"""`plan`: what would happen."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from neuronbuild.api.prepare import plan
from neuronbuild.cli.failures import errors_json, read, tell, told_first
from neuronbuild.cli.options import (
    cache_option,
    json_option,
    lock_options,
    platform_option,
    recipe_arguments,
    sdk_option,
    settings_for,
)
from neuronbuild.cli.output import put, put_json, say
from neuronbuild.counts import counted
from neuronbuild.errors import NeuronBuildError
from neuronbuild.plan.planner import Plan, explain_move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.plan.planner import Move, Step
    from neuronbuild.recipe.located import Located

PENDING = 10
"""Exit status of `plan --detailed-exitcode` when something must be compiled."""

SHOWN = 20
"""Steps of one recipe and platform that are listed before the rest is only counted."""

COLOURS = {"  + ": "yellow", "  = ": "green"}
"""What must be compiled, and what is in the store."""


@click.command("plan")
@recipe_arguments
@cache_option
@platform_option
@sdk_option
@json_option
@lock_options
@click.option("--detailed-exitcode", is_flag=True, help=f"Exit with {PENDING} when something must be compiled.")
def plan_command(
    *,
    recipes: tuple[Path, ...],
    recursive: bool,
    as_json: bool,
    detailed_exitcode: bool,
    **changes: object,
) -> int:
    """Say what exists and what must be compiled, and why. Compiles nothing."""
    settings = settings_for(**changes)
    failures: list[NeuronBuildError] = []
    located = read(recipes, settings, failures, recursive=recursive)
    with told_first(failures):
        made = plan(located, settings, failures)
        if changes["sdk"] is not None:
            made = _against(located, settings_for(**{**changes, "sdk": None}), made, str(settings.sdk))
        if as_json:
            put_json({**made.as_json(), **errors_json(failures)})
        elif made.steps or not failures:
            put(*_lines(made), style=_coloured)
        say(*(f"warning: {each}" for each in made.warnings))
    pending = PENDING if detailed_exitcode and made.misses else 0
    return tell(failures) or pending


def _against(located: list[Located], current: Settings, made: Plan, release: str) -> Plan:
    """A plan for another SDK, with what it changes against the present one, as far as there is one."""
    try:
        before = plan(located, current, failures=[])
    except NeuronBuildError:  # told of the plan itself, where it isn't just that no SDK is here
        before = Plan(())
    return explain_move(before, made, (current.sdk, release))


def _lines(plan: Plan) -> Iterator[str]:
    for (recipe, task, platform), group in itertools.groupby(plan.steps, _heading):
        steps = list(group)
        yield f"{recipe}  ({task}, {platform}, {steps[0].target.model})"
        yield from _steps(steps)
    if plan.move is not None:
        yield from _move(plan.move)
    if lowered := plan.lowered:
        wrong = sum(not each.sound for each in lowered)
        yield f"Preflight has looked at {counted(len(lowered), 'target')} of these and found something wrong with {wrong:,}."
    missing = len(plan.misses)
    yield f"Plan: {counted(len(plan.steps), 'target')}, {missing:,} to compile, {len(plan.steps) - missing:,} in the store."


def _steps(steps: list[Step]) -> Iterator[str]:
    """A line a step, in columns: what must be compiled first."""
    parts = [(mark, [step for step in steps if step.state == state]) for mark, state in (("+", "miss"), ("=", "hit"))]
    shown = [step.target for _, some in parts for step in some[:SHOWN]]
    graphs, shapes = (max(len(str(of)) for of in each) for each in zip(*((t.graph, t.shape) for t in shown), strict=True))
    for mark, some in parts:
        for step in some[:SHOWN]:
            place = f"{step.target.graph:{graphs}}  {step.target.shape!s:{shapes}}"
            yield f"  {mark} {place}  {step.action.key[:12]}  {step.explanation}{_preflight(step)}"
        if len(some) > SHOWN:
            yield f"  {mark} … and {len(some) - SHOWN:,} more"


def _preflight(step: Step) -> str:
    """What preflight found of a step, in a few words; nothing where it hasn't looked."""
    if step.lowering is None:
        return ""
    return "; it lowers" if step.lowering.sound else f"; preflight: {step.lowering.problems[0]}"


def _move(move: Move) -> Iterator[str]:
    """What another release of the SDK changes, built or not."""
    yield f"SDK {move.before or 'as installed or locked'} -> {move.after}"
    for toolchain, changes in move.changes.items():
        if changes is None:
            there = ", ".join(f"{name} {version}" for name, version in move.versions[toolchain].items())
            yield f"  {toolchain}: {there} (none is installed, locked or pinned to compare with)"
        else:
            told = ", ".join(f"{name} {was or 'none'} -> {now or 'none'}" for name, (was, now) in changes.items())
            yield f"  {toolchain}: {told or 'the same packages'}"
    yield (
        f"  {counted(move.steps, 'target')} would be compiled anew" if move.changes else "  no recipe is for a Neuron platform"
    )


def _coloured(line: str) -> str:
    """A line in colours, which `put` leaves out where nobody would see them."""
    mark, rest = line[:4], line[4:]
    if mark in COLOURS:
        return click.style(mark, fg=COLOURS[mark], bold=True) + rest
    return line if line.startswith(" ") else click.style(line, bold=True)


def _heading(step: Step) -> tuple[str, str, str]:
    return step.target.recipe, step.target.task, step.target.options.platform
