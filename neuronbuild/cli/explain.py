"""`explain`: what a key was made of, and how two keys differ."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuronbuild.api.explaining import compare_artifacts, explain_artifact, explain_recipes
from neuronbuild.api.removing import find_keys, read_artifact
from neuronbuild.cli.failures import errors_json, read, tell, told_first
from neuronbuild.cli.options import (
    cache_option,
    json_option,
    lock_options,
    platform_option,
    reader_for,
    sdk_option,
    settings_for,
)
from neuronbuild.cli.output import put, put_json
from neuronbuild.counts import counted
from neuronbuild.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from neuronbuild.api.explaining import ExplainedAction
    from neuronbuild.errors import NeuronBuildError

KEY = re.compile(r"[0-9a-fA-F]{1,64}")
"""What may be the beginning of a key. A file or folder of that name is a recipe."""

COLUMN = 60
"""Where origins stand, beside values that leave room for them."""


@click.command("explain")
@click.argument("subjects", nargs=-1, required=True, metavar="RECIPE|KEY [KEY]")
@cache_option
@platform_option
@sdk_option
@json_option
@lock_options
def explain_command(*, subjects: tuple[str, ...], as_json: bool, **changes: object) -> int:
    """Show what a key is made of: every value that decides the bytes of a compile, and where it came from.

    RECIPE is a file or a folder: for each recipe and platform, the first target is shown (the others differ in graph and shape
    alone), and with --json all of them. A value comes from a line of the recipe, from `defaults:`, neuronbuild.yaml,
    neuronbuild.lock, a release of the Neuron SDK, the model, or is a default.

    KEY is the beginning of the key of an artifact in the store: its action is shown as it was recorded. With two, what differs.
    """
    if len(subjects) == 1 and _is_recipe(subjects[0]):
        return _recipe(Path(subjects[0]), changes, as_json=as_json)
    wrong = [each for each in subjects if _is_recipe(each)]
    if wrong or len(subjects) > len(("before", "after")):
        what = f"{wrong[0]} is not the beginning of a key" if wrong else f"{counted(len(subjects), 'key')} were given"
        raise UsageError(what, hint="give one recipe, one key, or two keys; `neuronbuild cache ls` lists keys")
    _keys(subjects, changes, as_json=as_json)
    return 0


def _is_recipe(text: str) -> bool:
    return KEY.fullmatch(text) is None or Path(text).exists()


def _recipe(recipe: Path, changes: dict[str, object], *, as_json: bool) -> int:
    settings = settings_for(**changes)
    failures: list[NeuronBuildError] = []
    located = read((recipe,), settings, failures, recursive=False)
    with told_first(failures):
        actions = explain_recipes(located, settings, failures)
        if as_json:
            put_json({"version": 1, "actions": [each.as_json() for each in actions], **errors_json(failures)})
        else:
            put(*_first_of_each(actions))
    return tell(failures)


def _keys(beginnings: tuple[str, ...], changes: dict[str, object], *, as_json: bool) -> None:
    store = reader_for(changes)
    manifests = [read_artifact(store, key) for beginning in beginnings for key in find_keys(store, [beginning])]
    if len(manifests) == 1:
        action = explain_artifact(manifests[0])
        if as_json:
            put_json({"version": 1, "actions": [action.as_json()]})
        else:
            put(action.key, *_lines(action))
        return
    before, after = manifests
    differences = compare_artifacts(before, after)
    if as_json:
        told = [each.as_json() for each in differences]
        put_json({"version": 1, "before": before.key, "after": after.key, "differences": told})
    else:
        put(f"{before.key[:12]} -> {after.key[:12]}: {counted(len(differences), 'difference')}")
        put(*(f"  {each}" for each in differences))


def _first_of_each(actions: Iterable[ExplainedAction]) -> Iterator[str]:
    """The first action of each recipe and platform in full, with the number of the others."""
    for _, group in itertools.groupby(actions, lambda each: each.target and (each.target.recipe, each.target.options.platform)):
        first, *others = group
        yield f"{first.target}  {first.key}"
        yield from _lines(first)
        if others:
            yield f"  … and {counted(len(others), 'other target')}, of other graphs or shapes: --json has all"


def _lines(action: ExplainedAction) -> Iterator[str]:
    for field in action.fields:
        line = f"  {'.'.join(field.path)}: {field.text}"
        yield line if field.origin is None else f"{line:{COLUMN}}  # {field.origin}"
