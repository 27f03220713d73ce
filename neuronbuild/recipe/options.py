"""What a recipe's options mean for a task, and those that would have no effect on it: refused at their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.platforms import PLATFORMS, not_exported
from neuronbuild.recipe.words import refuse_cast
from neuronbuild.tasks import TASKS
from neuronbuild.tasks.exports import DECODING, unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.errors import Issue
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.schema import Compiler, Recipe

CAST, TYPE = ("compiler", "auto_cast"), ("compiler", "auto_cast_type")
LAYOUT = ("release", "layout")
LOWERS_NOTHING, FULL = "fp32", "float32"
TYPES = {LOWERS_NOTHING: FULL, "bf16": "bfloat16", "fp16": "float16"}


def cast_of(recipe: Recipe, task: str) -> str:
    """`auto_cast` as a task has it: for a model that generates, a type alone says that all of the model is of that type.

    So optimum-neuron's users say it, whose decoders have a type and no casts. `fp32` says what the weights are without a cast.
    Of a decoder that is handed to optimum-neuron it says no more than `dtype`.
    """
    compiler = recipe.compiler
    lowers = TASKS[task].generates and _is_type_alone(compiler) and compiler.auto_cast_type != LOWERS_NOTHING
    return "all" if lowers and not (recipe.delegates and task in DECODING) else compiler.auto_cast


def dtype_issues(located: Located, dtype: str) -> list[Issue]:
    """Where a recipe says another dtype than that of a checkpoint whose exporter goes by nothing else."""
    recipe, compiler = located.recipe, located.recipe.compiler
    reason = f"optimum-neuron compiles a decoder in the dtype that its config.json says, {dtype}"
    advice = "leave this out, or save the checkpoint in another dtype"
    issues = []
    if "dtype" in recipe.model_fields_set and recipe.dtype != dtype:
        issues.append(located.issue(("dtype",), f"{reason}, and not in {recipe.dtype}: {advice}"))
    if _is_type_alone(compiler) and TYPES.get(compiler.auto_cast_type) != dtype:
        issues.append(located.issue(TYPE, f"{reason}, and casts nothing to {compiler.auto_cast_type}: {advice}"))
    return issues


def option_issues(located: Located, task: str) -> list[Issue]:
    """Options of a recipe that would change nothing for its task."""
    faults = (*_cast_faults(located, task), *_faults(located, task))
    return [located.issue(keys, message) for keys, message in faults]


def blamed(located: Located, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of an option that a compiler refuses: a type alone stands for the cast that it means."""
    return TYPE if keys == CAST and _is_type_alone(located.recipe.compiler) else keys


def _faults(located: Located, task: str) -> Iterator[tuple[tuple[str, ...], str]]:
    recipe = located.recipe
    if recipe.delegates and TASKS[task].delegated is None:
        yield (recipe.delegates,), unused(task)
    if recipe.dynamic_batch_size and TASKS[task].generates:
        yield ("dynamic_batch_size",), "a model with a cache has as many rows as it was compiled for: leave it out"
    yield from ((LAYOUT, f"release.layout: {recipe.release.layout} {reason}") for reason in _without_layout(recipe))


def _cast_faults(located: Located, task: str) -> Iterator[tuple[tuple[str, ...], str]]:
    recipe, compiler = located.recipe, located.recipe.compiler
    if _is_type_alone(compiler) and not (TASKS[task].generates or (recipe.delegates and task in DECODING)):
        yield TYPE, f"auto_cast_type alone casts nothing for {task}: set auto_cast as well (matmul or all), or leave it out"
    elif _is_full(compiler) and recipe.dtype != FULL:
        yield TYPE, f"auto_cast_type: fp32 says that weights are {FULL}, and dtype that they are {recipe.dtype}: leave one out"
    if _contradicts(located):
        yield TYPE, "nothing is cast with auto_cast: none; leave auto_cast_type out, or set auto_cast to matmul or all"
    rows = [PLATFORMS[platform] for platform in recipe.platforms]
    for row in (row for row in rows if row.casts and cast_of(recipe, task) == "all"):
        if compiler.auto_cast_type not in row.casts:
            yield TYPE, refuse_cast(compiler.auto_cast_type, row)
        if recipe.dtype != "float32":
            yield ("dtype",), f"on {row.name} all weights are {compiler.auto_cast_type} with this auto_cast: leave dtype out"


def _without_layout(recipe: Recipe) -> Iterator[str]:
    """Why optimum-neuron couldn't load each shape of a release by itself, where it shall, as far as a recipe tells."""
    if recipe.release.layout is None:
        return
    if other := not_exported(recipe.platforms):
        yield f"is for inf2 and Trainium; give {other[0]} a recipe of its own"
    if recipe.weights == "separate":
        yield "can't be had with `weights: separate`, since optimum-neuron binds none; use `weights: inline`"
    if recipe.toolchain is not None or recipe.num_cores > 1:
        yield "is for what is compiled here; what optimum-neuron exports lies as it wants it: leave this out"


def _is_type_alone(compiler: Compiler) -> bool:
    said = compiler.model_fields_set
    return "auto_cast_type" in said and "auto_cast" not in said


def _is_full(compiler: Compiler) -> bool:
    return "auto_cast_type" in compiler.model_fields_set and compiler.auto_cast_type == LOWERS_NOTHING


def _contradicts(located: Located) -> bool:
    """Whether a type stands beside `auto_cast: none`; one of the `defaults:` below it is for the recipes that cast."""
    compiler = located.recipe.compiler
    if compiler.auto_cast != "none" or compiler.auto_cast_type == LOWERS_NOTHING:
        return False
    return {"auto_cast", "auto_cast_type"} <= compiler.model_fields_set and located.depth(TYPE) <= located.depth(CAST)
