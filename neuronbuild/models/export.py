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
from neuronbuild.platforms import DEFAULT, PLATFORMS
from neuronbuild.recipe.load import validation_issues
from neuronbuild.recipe.located import Located
from neuronbuild.recipe.schema import Compiler, Recipe, Workspace
from neuronbuild.recipe.wording import describe, unknown_key
from neuronbuild.recipe.words import SPELLINGS
from neuronbuild.recipe.yaml_tree import Document
from neuronbuild.source.resolve import name_model
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = "from_pretrained"
INLINE = "inline_weights_to_neff"
ALIASES = {
    "tensor_parallel_size": "num_cores",
    "torch_dtype": "dtype",
    "instance_type": "platform",
    INLINE: "weights",
}
"""optimum-neuron's words, and ours."""

SPELT: dict[str, Mapping[str, object]] = {
    "optlevel": {"1": 1, "2": 2, "3": 3},
    "dtype": SPELLINGS["dtype"],
}
"""Values of its words as it spells them, and ours."""

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
OFFLINE = "local_files_only"
ARGUMENTS = (*RECIPE_KEYS, *COMPILER_KEYS, *AXES, *SETTINGS_KEYS, *ALIASES, OFFLINE)
"""All that a call may say."""

WHERE = Path(CALL)
"""Stands where a recipe file's path would, in messages."""


def export_model(model: str, task: str, arguments: Mapping[str, object]) -> Path:
    """Compile what isn't in the cache, and give the release folder. `arguments` are settled (`recipe.idle`).

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
        RecipeError: a value is wrong.
        SourceError: there is no such model.
    """
    recipe, offline = make_recipe(model, task, arguments).recipe, arguments.get(OFFLINE) is True
    pinned = recipe.revision
    try:
        found = axes(model, recipe.task, revision=pinned, offline=offline, delegated=recipe.delegates)
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint or _fitting(model, task, pinned, offline=offline)) from None
    if found.task != task:
        raise UsageError(f"{CALL}: {model} would be compiled for {found.task}; use {found.model_class} for that")


def _fitting(model: str, task: str, revision: str | None, *, offline: bool) -> str | None:
    """What helps where a model can't be compiled for a task: the class that its config tells."""
    try:
        found = axes(model, revision=revision, offline=offline)
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
        raise UsageError(f"{CALL}: a value is of a kind that can't be used: {error}") from None
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
        "platforms": [said.get("platform", DEFAULT)],
        "compiler": {name: said[name] for name in COMPILER_KEYS if name in said},
        "shapes": {axis: _sizes(said[axis]) for axis in AXES if axis in said},
    }
    document |= {name: said[name] for name in RECIPE_KEYS if name in said and name not in {"task", "platform"}}
    return document


def _sizes(value: object) -> object:
    """One size, or several in whatever Python keeps several in; a set's in order, so that it names one release."""
    return sorted(value) if isinstance(value, set | frozenset) else list(value) if isinstance(value, tuple | range) else value


def _known(arguments: Mapping[str, object]) -> dict[str, object]:
    """What was said, in our words.

    Raises:
        UsageError: an argument is unknown, or two say the same.
    """
    said: dict[str, object] = {}
    for name, value in arguments.items():
        if name not in ARGUMENTS:
            raise UsageError(f"{CALL}: {unknown_key('argument', name, list(ARGUMENTS))}")
        if value is None or (name == INLINE and value is True and _is_elsewhere(arguments)):
            continue  # on cpu there is no NEFF that weights could be in
        ours = ALIASES.get(name, name)
        if ours in said:
            same = ", ".join(each for each in arguments if ALIASES.get(each, each) == ours and arguments[each] is not None)
            raise UsageError(f"{CALL}: {same} are words for one thing: give one of them")
        said[ours] = _spelt(ours, ("inline" if value else "separate") if name == INLINE else value)
    return said


def _spelt(name: str, value: object) -> object:
    """A value as recipes have it: levels are numbers, and a dtype is the name that torch has for it."""
    text = str(value).removeprefix("torch.") if name == "dtype" else value
    return SPELT[name].get(text, text) if name in SPELT and isinstance(text, str) else text


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
        raise UsageError(f"{CALL}: {'; '.join(wrong)}") from None
    for name, elsewhere in (("isa", True), ("sdk", False)):
        if getattr(said, name) is not None and _is_elsewhere(arguments) is not elsewhere:
            raise UsageError(f"{CALL}: {name} says nothing for {_platform(arguments)}: leave it out")
    offline = _flag(OFFLINE, arguments.get(OFFLINE, False))
    settings = replace(
        Settings(), isa=said.isa, sdk=said.sdk, offline=offline, **{name: getattr(said.limits, name) for name in limits}
    )
    cache, output = said.cache or settings.cache, Path(said.output) if said.output else settings.output
    return replace(settings, cache=cache, output=output)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{CALL}: {name} should be true or false")
    return value


def _platform(arguments: Mapping[str, object]) -> str:
    return str(arguments.get("platform") or arguments.get("instance_type") or DEFAULT)


def _is_elsewhere(arguments: Mapping[str, object]) -> bool:
    """Whether a call is for a platform without a Neuron device; one that isn't known is told of later."""
    row = PLATFORMS.get(_platform(arguments))
    return row is not None and not row.is_neuron


def _stem(model: str) -> str:
    last = [part for part in model.replace(":", "/").split("/") if part not in {"", ".", ".."}][-1:]
    return (
        "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "-" for c in (last or ["model"])[0]).lstrip("._-")
        or "model"
    )
