"""`plan`: what would happen."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from neuronbuild.api.prepare import plan
from neuronbuild.cli.options import (
    cache_option,
    json_option,
    lock_options,
    platform_option,
    recipe_arguments,
    recipe_paths,
    sdk_option,
    settings_for,
)
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import ToolchainError
from neuronbuild.plan.planner import explain_move
from neuronbuild.recipe.load import load_recipes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.api.settings import Settings
    from neuronbuild.plan.planner import Plan, Step
    from neuronbuild.recipe.load import Located

PENDING = 10
"""Exit status of `plan --detailed-exitcode` when something must be compiled."""

SHOWN = 20
"""Steps of one recipe and platform that are listed before the rest is only counted."""


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
    located = load_recipes(recipe_paths(recipes), defaults=settings.defaults, recursive=recursive)
    made = plan(located, settings)
    current = settings_for(**{**changes, "sdk": None})
    if settings.sdk != current.sdk:
        made = _against(located, current, made)
    if as_json:
        put_json(made.as_json())
    else:
        put("\n".join(_lines(made)))
    return PENDING if detailed_exitcode and made.misses else 0


def _against(located: list[Located], current: Settings, made: Plan) -> Plan:
    """A plan for another SDK, with what it says about what was built for the present one."""
    try:
        return explain_move(plan(located, current), made)
    except ToolchainError:  # there is no present one
        return made


def _lines(plan: Plan) -> Iterator[str]:
    for (recipe, task, platform), group in itertools.groupby(plan.steps, _heading):
        steps = list(group)
        yield f"{recipe}  ({task}, {platform}, {steps[0].target.model})"
        misses = [step for step in steps if step.state == "miss"]
        hits = [step for step in steps if step.state == "hit"]
        for mark, some in (("+", misses), ("=", hits)):
            for step in some[:SHOWN]:
                yield f"  {mark} {step.target.graph}  {step.target.shape}  {step.action.key[:12]}  {step.reason}"
            if len(some) > SHOWN:
                yield f"  {mark} … and {len(some) - SHOWN:,} more"
    missing = len(plan.misses)
    yield f"Plan: {len(plan.steps):,} targets, {missing:,} to compile, {len(plan.steps) - missing:,} in the store."


def _heading(step: Step) -> tuple[str, str, str]:
    return step.target.recipe, step.target.task, step.target.options.platform
