"""A recipe's grid: the product of its axes, less `exclude`, plus `include`."""

from __future__ import annotations

import itertools
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import RecipeError
from neuronbuild.platforms import PLATFORMS
from neuronbuild.recipe.located import Layer
from neuronbuild.recipe.options import cast_of, dtype_issues, option_issues
from neuronbuild.recipe.target import Options, Target
from neuronbuild.recipe.words import unknown_word
from neuronbuild.tasks import BATCH, TASKS, config_sizes
from neuronbuild.tasks.table import PREFILL, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from neuronbuild.errors import Issue
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.schema import Recipe
    from neuronbuild.recipe.yaml_tree import Keys
    from neuronbuild.tasks import Graph, Task

LIMIT = 20_000
"""Points of one grid. A compile takes seconds to hours, so more is a slip of the pen."""

MOST = 100_000
"""Points of all grids of one run together, for each platform: graphs make up to twice as many targets of them. Zoos have
hundreds."""

CAP = 4096
"""Longest `sequence_length` that a recipe gets without asking: a cache takes memory for every token of it."""

UNKNOWN: Mapping[str, int] = MappingProxyType(config_sizes({}))
"""Sizes of a model whose config nobody has looked at."""


def expand(located: Located, task: str, known: Mapping[str, int] = UNKNOWN, dtype: str | None = None) -> list[Target]:
    """All targets of a recipe for a task, platform by platform, in the order in which the axes and sizes are written.

    Every graph gets the points of the grid as far as they shape it, each once. `known` are sizes that the model's config
    says, for axes that the recipe leaves out: of images, and the longest sequence that it can read, here up to `CAP`. `dtype`
    is the checkpoint's, where its exporter goes by nothing else.

    Raises:
        RecipeError: an axis is missing, unknown to the task, the grid is empty or too large, or another dtype is asked for.
    """
    recipe = located.recipe
    points = grid(located, task, known)
    issues = [] if dtype is None else dtype_issues(located, dtype)
    if issues:
        raise RecipeError(issues)
    return [
        Target(recipe.name, recipe.model, task, graph.name, shape, options)
        for options in (options_for(recipe, platform, task, dtype) for platform in recipe.platforms)
        for graph in _graphs(located, task, options, points)
        for shape in dict.fromkeys(Shape.of(point.as_dict(), graph.axes) for point in points)
    ]


def _graphs(located: Located, task: str, options: Options, points: list[Shape]) -> tuple[Graph, ...]:
    """What is compiled apart from one another: a task's graphs, or the whole model where that is another tool's business."""
    whole = TASKS[task].delegated
    if not options.exported or whole is None:
        if not TASKS[task].graphs:
            problem = f"{task} goes through the toolchain optimum, for inf2 and Trainium; {options.toolchain}, which compiles"
            message = f"{problem} for {options.platform}, has no graphs for it: leave {options.platform} out"
            raise RecipeError([located.issue(("platforms",), message)])
        return TASKS[task].graphs
    if len({Shape.of(point.as_dict(), whole.axes) for point in points}) > 1:
        message = "optimum-neuron's folders hold one shape each; give every shape a recipe of its own"
        raise RecipeError([located.issue(("shapes",), message)])
    return (whole,)


def grid(located: Located, task: str, known: Mapping[str, int] = UNKNOWN) -> list[Shape]:
    """The points of a recipe's grid, each once, with every axis of the task.

    Raises:
        RecipeError: as for `expand`.
    """
    sizes = located.recipe.shapes.axes
    issues = _axis_issues(located, task) + option_issues(located, task)
    count = math.prod(len(values) for values in sizes.values())
    if count > LIMIT:
        issues.append(located.issue(("shapes",), f"the grid has {count:,} points; at most {LIMIT:,} are allowed"))
    if issues:
        raise RecipeError(issues)
    excluded = _Exclusion(located.recipe.shapes.exclude)
    product = (dict(zip(sizes, values, strict=True)) for values in itertools.product(*sizes.values()))
    given = [point for point in product if not excluded.covers(point)] if _has_product(located, task) else []
    given += located.recipe.shapes.include
    points = dict.fromkeys(_complete(point, TASKS[task], known) for point in given)
    issues = [
        located.issue(("shapes", "exclude", index), f"this leaves nothing out: no point of the grid matches {dict(rule)}")
        for index, rule in excluded.unused()
    ]
    if not points:
        issues.append(located.issue(("shapes",), "the grid is empty"))
    issues += [
        located.issue(("shapes", PREFILL), f"a prompt's chunk can't be longer than the whole sequence: {point}")
        for point in points
        if point.as_dict().get(PREFILL, 0) > point.as_dict().get(SEQUENCE, 0)
    ]
    if issues:
        raise RecipeError(issues)
    return list(points)


def refuse_many(recipes: Iterable[Located]) -> list[Issue]:
    """Where grids have more points together than a run may have, before any is made: limits of one grid are passed by many.

    Counted as they are written, with those that `exclude` leaves out. A recipe that has too many by itself says so later.
    """
    issues: list[Issue] = []
    total = 0
    for located in recipes:
        recipe = located.recipe
        product = math.prod(len(values) for values in recipe.shapes.axes.values())
        count = 0 if product > LIMIT else (product + len(recipe.shapes.include)) * len(recipe.platforms)
        if total + count <= MOST:
            total += count
            continue
        problem = f"{recipe.name} brings the points of all recipes of this run, on all platforms, to {total + count:,}"
        own = Layer(located.path, located.document)
        issues.append(own.issue((), f"{problem}; at most {MOST:,} are allowed: build them in several runs"))
    return issues


def grid_issues(recipes: Iterable[Located]) -> list[Issue]:
    """What is wrong with the grids of those recipes whose task is told without a look at their model."""
    issues: list[Issue] = []
    for located in recipes:
        if located.recipe.task is not None:
            issues += _unless_any_works(located, _rows(located.recipe.task))
    return issues


def _rows(task: str) -> list[str]:
    """A task, and those that a model's family may have in its stead: the model tells which."""
    return list(dict.fromkeys([task, *(name for name, row in TASKS.items() if row.tag == TASKS[task].pipeline_tag)]))


def _unless_any_works(located: Located, tasks: list[str]) -> list[Issue]:
    issues: list[Issue] = []
    for task in reversed(tasks):
        try:
            grid(located, task)
        except RecipeError as error:
            issues = list(error.issues)
        else:
            return []
    return issues


def _has_product(located: Located, task: str) -> bool:
    """A recipe without axes has a grid of one point where the task needs none, unless it lists its points itself."""
    shapes = located.recipe.shapes
    return bool(shapes.axes) or not (TASKS[task].mandatory or shapes.include)


def default_sizes(task: Task, known: Mapping[str, int]) -> dict[str, int]:
    """The sizes of axes that a recipe may leave out, where it does: the task's own, or what the model's config says."""
    told = {**known, SEQUENCE: min(known.get(SEQUENCE, CAP), CAP)}
    return {axis: size or told[axis] for axis, size in task.optional.items()}


def _complete(point: dict[str, int], task: Task, known: Mapping[str, int]) -> Shape:
    """A point with the sizes of axes that weren't given; none of those is longer than the whole sequence."""
    sizes = default_sizes(task, known) | point
    if PREFILL in sizes and PREFILL not in point:
        sizes[PREFILL] = min(sizes[PREFILL], sizes[SEQUENCE])
    return Shape.of(sizes, task.axes)


@final
class _Exclusion:
    """Rules that leave points out, found by the axes that they name: each point takes one look for each set of axes."""

    def __init__(self, rules: Sequence[Mapping[str, int]]) -> None:
        self._rules = rules
        self._by_axes: dict[tuple[str, ...], dict[tuple[int, ...], list[int]]] = {}
        self._used: set[int] = set()
        for index, rule in enumerate(rules):
            axes = tuple(sorted(rule))
            sizes = tuple(rule[axis] for axis in axes)
            self._by_axes.setdefault(axes, {}).setdefault(sizes, []).append(index)

    def covers(self, point: Mapping[str, int]) -> bool:
        """Whether a rule leaves a point out; all that do are used from then on."""
        hits = [
            index
            for axes, rules in self._by_axes.items()
            if point.keys() >= set(axes)
            for index in rules.get(tuple(point[axis] for axis in axes), ())
        ]
        self._used.update(hits)
        return bool(hits)

    def unused(self) -> Iterator[tuple[int, Mapping[str, int]]]:
        """Rules that left nothing out, with their indexes."""
        return ((index, rule) for index, rule in enumerate(self._rules) if index not in self._used)


def _axis_issues(located: Located, task: str) -> list[Issue]:
    axes, mandatory, shapes = TASKS[task].axes, TASKS[task].mandatory, located.recipe.shapes
    points: list[tuple[Keys, set[str]]] = [
        (("shapes", "include", index), set(point)) for index, point in enumerate(shapes.include)
    ]
    if shapes.axes or not points:
        points.append((("shapes",), set(shapes.axes)))
    issues = []
    if located.recipe.dynamic_batch_size and BATCH not in axes:
        issues.append(located.issue(("dynamic_batch_size",), f"{task} has no {BATCH} to split"))
    for keys, given in points:
        issues += [
            located.issue((*keys, name), unknown_word(f"axis for {task}", name, list(axes)))
            for name in sorted(given - set(axes))
        ]
        missing = [name for name in mandatory if name not in given]
        if missing:
            issues.append(located.issue(keys, f"{task} needs {', '.join(mandatory)}; missing: {', '.join(missing)}"))
    return issues


def options_for(recipe: Recipe, platform: str, task: str, dtype: str | None = None) -> Options:
    """What a recipe says to the compiler of a platform, for a task.

    `dtype` is that of the checkpoint, where its exporter goes by nothing else.
    """
    compiler, row = recipe.compiler, PLATFORMS[platform]
    return Options(
        platform=platform,
        auto_cast=cast_of(recipe, task),
        auto_cast_type=compiler.auto_cast_type,
        optlevel=compiler.optlevel,
        extra_args=compiler.extra_args,
        weights=recipe.weights or row.weights[0],
        dtype=recipe.dtype if dtype is None or not row.exporter else dtype,
        num_cores=recipe.num_cores,
        dynamic_batch_size=recipe.dynamic_batch_size,
        delegated=recipe.toolchain is not None or not TASKS[task].graphs,
        loading=tuple(name for name in ("lazy_load", "async_load") if getattr(compiler, name)),
    )
