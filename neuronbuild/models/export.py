"""`from_pretrained(model, export=True, ...)`: keyword arguments to a recipe, and through plan and cache to a release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from neuronbuild.api import Settings, apply
from neuronbuild.api.introspection import axes
from neuronbuild.digest import digest_json
from neuronbuild.errors import NeuronBuildError, RecipeError, ToolchainError, UsageError
from neuronbuild.recipe.load import validation_issues
from neuronbuild.recipe.located import Located
from neuronbuild.recipe.schema import Compiler, Recipe, Workspace
from neuronbuild.recipe.wording import describe, unknown_key
from neuronbuild.recipe.yaml_tree import Document
from neuronbuild.source.resolve import name_model
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping

INLINE = "inline_weights_to_neff"
ALIASES = {
    "tensor_parallel_size": "num_cores",
    "torch_dtype": "dtype",
    "instance_type": "platform",
    INLINE: "weights",
}
"""optimum-neuron's words, and ours."""

COMPILER_KEYS = tuple(Compiler.model_fields)
RECIPE_KEYS = (
    "task",
    "revision",
    "platform",
    "dynamic_batch_size",
    "weights",
    "num_cores",
    "dtype",
    "toolchain",
    "trust_remote_code",
)
SETTINGS_KEYS = ("cache", "output", "jobs", "timeout", "isa", "sdk")
ARGUMENTS = (*RECIPE_KEYS, *COMPILER_KEYS, *AXES, *SETTINGS_KEYS, *ALIASES)
"""All that a call may say."""

DEFAULT_PLATFORM = "cpu"

WHERE = Path("from_pretrained")
"""Stands where a recipe file's path would, in messages."""


def export_model(model: str, task: str, arguments: Mapping[str, object]) -> Path:
    """Compile what isn't in the cache, and give the release folder.

    Raises:
        UsageError: an argument is unknown.
        RecipeError, SourceError, StoreError, ToolchainError, ReleaseError: as their names say.
    """
    located = make_recipe(model, task, arguments)
    settings = _settings(arguments)
    report = apply([located], settings)
    failed = next((outcome for outcome in report.outcomes if outcome.error is not None), None)
    if failed is not None and failed.error is not None:
        raise ToolchainError(
            failed.step.target.options.platform,
            f"{failed.step.target.shape}: {failed.error.message}",
            hint=f"the log is in {failed.error.log}" if failed.error.log else None,
        )
    if report.failures:
        raise report.failures[0].error
    if not report.releases:
        raise NeuronBuildError(f"{model}: nothing was released")
    return report.releases[0].folder


def refuse_misfit(model: str, task: str, arguments: Mapping[str, object]) -> None:
    """Stop, before anything is compiled, where what the arguments mean is for a class of another task.

    Raises:
        UsageError: it is, or the model can't be compiled for the task that is asked for.
        SourceError: there is no such model.
    """
    revision = arguments.get("revision")
    pinned = None if revision is None else str(revision)
    try:
        found = axes(model, str(arguments.get("task") or task), revision=pinned)
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint or _fitting(model, task, pinned)) from None
    if found.task != task:
        raise UsageError(f"from_pretrained: {model} would be compiled for {found.task}; use {found.model_class} for that")


def _fitting(model: str, task: str, revision: str | None) -> str | None:
    """What helps where a model can't be compiled for a task: the class that its config tells."""
    try:
        found = axes(model, revision=revision)
    except UsageError:
        return None
    return None if found.task == task else f"its config tells {found.task}: use {found.model_class}"


def make_recipe(model: str, task: str, arguments: Mapping[str, object]) -> Located:
    """The recipe that a call means; its name is made from everything it says, so that two calls don't share a folder.

    Raises:
        UsageError: an argument is unknown.
        RecipeError: a value is wrong.
    """
    said = _known(arguments)
    try:
        document = _document(model, task, said)
        named = document | {name: said[name] for name in ("isa", "sdk") if name in said}  # no recipe has these two
        document["name"] = f"{_stem(model)}-{digest_json(named).sha256[:12]}"
    except TypeError as error:  # what no recipe could say: an array, an object
        raise UsageError(f"from_pretrained: a value is of a kind that can't be used: {error}") from None
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        raise RecipeError(validation_issues(error, WHERE, Document(document), Recipe)) from None
    return Located(recipe, WHERE, Document(document))


def _document(model: str, task: str, said: dict[str, object]) -> dict[str, object]:
    """The recipe's own text, as plain values, but for its name."""
    document: dict[str, object] = {
        "model": name_model(model),
        "task": str(said.get("task", task)),
        "platforms": [said.get("platform", DEFAULT_PLATFORM)],
        "compiler": {name: said[name] for name in COMPILER_KEYS if name in said},
        "shapes": {axis: _sizes(said[axis]) for axis in AXES if axis in said},
    }
    document |= {name: said[name] for name in RECIPE_KEYS if name in said and name not in {"task", "platform"}}
    if "dtype" in document:
        document["dtype"] = str(document["dtype"]).removeprefix("torch.")
    return document


def _sizes(value: object) -> object:
    """One size, or several in whatever Python keeps several in; a set's in order, so that it names one release."""
    return sorted(value) if isinstance(value, set | frozenset) else list(value) if isinstance(value, tuple | range) else value


def _known(arguments: Mapping[str, object]) -> dict[str, object]:
    """What was said, in our words.

    Raises:
        UsageError: an argument is unknown, or two say the same.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if INLINE in given:
        given[INLINE] = "inline" if given[INLINE] else "separate"
    said: dict[str, object] = {}
    for name, value in given.items():
        if name not in ARGUMENTS:
            raise UsageError(f"from_pretrained: {unknown_key('argument', name, list(ARGUMENTS))}")
        ours = ALIASES.get(name, name)
        if ours in said:
            same = ", ".join(each for each in given if ALIASES.get(each, each) == ours)
            raise UsageError(f"from_pretrained: {same} are words for one thing: give one of them")
        said[ours] = value
    return said


def _settings(arguments: Mapping[str, object]) -> Settings:
    """Settings with what was given, held to what a workspace file may say.

    Raises:
        UsageError: a value is wrong.
    """
    given = {name: arguments[name] for name in SETTINGS_KEYS if arguments.get(name) is not None}
    given |= {name: str(given[name]) for name in ("cache", "output") if isinstance(given.get(name), Path)}
    limits = {name: given.pop(name) for name in ("jobs", "timeout") if name in given}
    try:
        said = Workspace.model_validate({**given, "limits": limits})
    except ValidationError as error:
        wrong = (describe(fault, Workspace).removeprefix("limits.") for fault in error.errors(include_url=False))
        raise UsageError(f"from_pretrained: {'; '.join(wrong)}") from None
    for name, cpu in (("isa", True), ("sdk", False)):
        if getattr(said, name) is not None and (_platform(arguments) == "cpu") is not cpu:
            raise UsageError(f"from_pretrained: {name} says nothing for {_platform(arguments)}: leave it out")
    settings = replace(Settings(), isa=said.isa, sdk=said.sdk, **{name: getattr(said.limits, name) for name in limits})
    cache, output = said.cache or settings.cache, Path(said.output) if said.output else settings.output
    return replace(settings, cache=cache, output=output)


def _platform(arguments: Mapping[str, object]) -> str:
    return str(arguments.get("platform") or arguments.get("instance_type") or DEFAULT_PLATFORM)


def _stem(model: str) -> str:
    last = [part for part in model.replace(":", "/").split("/") if part not in {"", ".", ".."}][-1:]
    return (
        "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "-" for c in (last or ["model"])[0]).lstrip("._-")
        or "model"
    )
