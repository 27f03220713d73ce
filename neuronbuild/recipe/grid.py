"""A recipe's grid: the product of its axes, less `exclude`, plus `include`."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import RecipeError
from neuronbuild.recipe.schema import unknown_word
from neuronbuild.recipe.target import Options, Target
from neuronbuild.tasks import TASKS

if TYPE_CHECKING:
    from neuronbuild.errors import Issue
    from neuronbuild.recipe.load import Located
    from neuronbuild.recipe.schema import Recipe
    from neuronbuild.recipe.yaml_tree import Keys

LIMIT = 20_000
"""Points of one grid. A compile takes seconds to hours, so more is a slip of the pen."""


def expand(located: Located, task: str) -> list[Target]:
    """All targets of a recipe for a task, platform by platform, in the order in which the axes and sizes are written.

    Raises:
        RecipeError: an axis is missing, unknown to the task, or the grid is empty or too large.
    """
    recipe = located.recipe
    shapes = grid(located, task)
    return [
        Target(recipe.name, recipe.model, task, graph, shape, options)
        for options in (_options(recipe, platform) for platform in recipe.platforms)
        for graph in TASKS[task].graphs
        for shape in shapes
    ]


def grid(located: Located, task: str) -> list[Shape]:
    """The shapes of a recipe's grid, each once.

    Raises:
        RecipeError: as for `expand`.
    """
    axes, sizes = TASKS[task].axes, located.recipe.shapes.axes
    issues = _axis_issues(located, task)
    count = math.prod(len(values) for values in sizes.values())
    if count > LIMIT:
        issues.append(located.issue(("shapes",), f"the grid has {count:,} points; at most {LIMIT:,} are allowed"))
    if issues:
        raise RecipeError(issues)
    used = [False] * len(located.recipe.shapes.exclude)
    points = dict.fromkeys(
        Shape.of(dict(zip(sizes, values, strict=True)), axes)
        for values in (itertools.product(*sizes.values()) if sizes else ())
        if not _excluded(dict(zip(sizes, values, strict=True)), located.recipe, used)
    )
    points |= dict.fromkeys(Shape.of(point, axes) for point in located.recipe.shapes.include)
    issues = [
        located.issue(("shapes", "exclude", index), f"this leaves nothing out: no point of the grid matches {dict(rule)}")
        for index, rule in enumerate(located.recipe.shapes.exclude)
        if not used[index]
    ]
    if not points:
        issues.append(located.issue(("shapes",), "the grid is empty"))
    if issues:
        raise RecipeError(issues)
    return list(points)


def _excluded(point: dict[str, int], recipe: Recipe, used: list[bool]) -> bool:
    hit = False
    for index, rule in enumerate(recipe.shapes.exclude):
        if rule.items() <= point.items():
            used[index] = hit = True
    return hit


def _axis_issues(located: Located, task: str) -> list[Issue]:
    axes, shapes = TASKS[task].axes, located.recipe.shapes
    points: list[tuple[Keys, set[str]]] = [
        (("shapes", "include", index), set(point)) for index, point in enumerate(shapes.include)
    ]
    if shapes.axes or not points:
        points.append((("shapes",), set(shapes.axes)))
    issues = []
    for keys, given in points:
        issues += [
            located.issue((*keys, name), unknown_word(f"axis for {task}", name, list(axes)))
            for name in sorted(given - set(axes))
        ]
        missing = [name for name in axes if name not in given]
        if missing:
            issues.append(located.issue(keys, f"{task} needs {', '.join(axes)}; missing: {', '.join(missing)}"))
    return issues


def _options(recipe: Recipe, platform: str) -> Options:
    compiler = recipe.compiler
    return Options(
        platform=platform,
        auto_cast=compiler.auto_cast,
        auto_cast_type=compiler.auto_cast_type,
        optlevel=compiler.optlevel,
        extra_args=compiler.extra_args,
        weights=recipe.weights or ("separate" if platform == "cpu" else "inline"),
        dtype=recipe.dtype,
        num_cores=recipe.num_cores,
        dynamic_batch_size=recipe.dynamic_batch_size,
    )
