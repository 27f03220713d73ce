"""Files to recipes: every fault in every file at once, each with its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

from pydantic import BaseModel, ValidationError

from neuronbuild.errors import Issue, RecipeError
from neuronbuild.recipe.grid import refuse_many
from neuronbuild.recipe.located import Layer, Located, issue_at, layer_of
from neuronbuild.recipe.paths import WORKSPACE_FILE, find_files, read_text, yaml_files
from neuronbuild.recipe.schema import KeyedError, Recipe, Workspace, plain_name
from neuronbuild.recipe.wording import describe, unknown_key
from neuronbuild.recipe.yaml_tree import Budget, Document, Keys, read_documents
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

Kind = TypeVar("Kind", bound=BaseModel)

LISTS = ("exclude", "include")
"""Under `shapes`, beside the axes."""


def load_recipes(
    paths: Iterable[Path], *, defaults: Mapping[str, object] | None = None, recursive: bool = False
) -> list[Located]:
    """Read recipes from files and folders.

    A folder means the YAML files directly in it, or at any depth if `recursive`. A document that holds nothing but
    `defaults:` applies to all recipes of its folder, also where only some files of the folder are asked for; `defaults`
    given here come below those.

    Raises:
        RecipeError: with every issue of every file, or because there is no recipe.
    """
    found, issues = read_recipes(paths, defaults=defaults, recursive=recursive)
    if issues:
        raise RecipeError(issues)
    return found


def read_recipes(
    paths: Iterable[Path], *, defaults: Mapping[str, object] | None = None, recursive: bool = False
) -> tuple[list[Located], set[Issue]]:
    """As `load_recipes`: those recipes in whose documents nothing is wrong, and every issue of every file."""
    paths = list(paths)
    issues: list[Issue] = []
    found: list[Located] = []
    reading = _Reading(issues, Budget())
    by_folder: dict[Path, list[Path]] = {}
    for file in find_files(paths, recursive=recursive, issues=issues):
        by_folder.setdefault(file.parent, []).append(file)
    for files in by_folder.values():
        found += _load_folder(files, defaults or {}, reading)
    issues += [*_same_names(found), *refuse_many(found)]
    if not found and not issues:
        issues += [Issue(str(path), 1, 1, "no recipe in here") for path in paths]
    return [located for located in found if not any(layer.holds(issue) for layer in located.layers for issue in issues)], {
        *issues
    }


def load_workspace(folder: Path) -> tuple[Workspace, Path]:
    """The workspace file of a folder or of the nearest folder above that has one, and its folder.

    Raises:
        RecipeError: the file is there, but wrong.
    """
    for candidate in (folder, *folder.parents):
        file = candidate / WORKSPACE_FILE
        if os.path.isfile(file):  # noqa: PTH113 (false where a folder above may not be entered)
            return _load_workspace_file(file), candidate
    return Workspace(), folder


def _load_workspace_file(file: Path) -> Workspace:
    issues: list[Issue] = []
    documents, faults = read_documents(read_text(file, issues), str(file))
    issues += faults
    issues += [Layer(file, document).issue((), "a workspace file holds one document") for document in documents[1:]]
    workspace = _parse(Layer(file, documents[0]), {}, issues, kind=Workspace) if documents else Workspace()
    if issues or workspace is None:
        raise RecipeError(issues)
    return workspace


@final
@dataclass(frozen=True, slots=True)
class _Reading:
    """The reading of all files of a run: what is wrong so far, and how much may still be read."""

    issues: list[Issue]
    budget: Budget

    def layers(self, file: Path, text: str) -> tuple[list[Layer], list[Issue]]:
        """The documents of a text, and what is wrong with it."""
        documents, faults = read_documents(text, str(file), self.budget)
        return [Layer(file, document) for document in documents], faults


def _load_folder(files: list[Path], defaults: Mapping[str, object], reading: _Reading) -> list[Located]:
    documents: list[tuple[int, Layer]] = []
    issues = reading.issues
    for file in files:
        layers, faults = reading.layers(file, read_text(file, issues))
        issues += faults
        documents += enumerate(layers)
        if reading.budget.left < 0:  # every further file would say the same
            return []
    below: list[Layer] = []
    for layer in [*_beside(files, reading), *(layer for _, layer in documents)]:
        if _is_defaults(layer.document):
            defaults = merge(defaults, _defaults_of(layer, issues))
            below.insert(0, Layer(layer.path, layer.document, ("defaults",)))
    found = [
        _load_recipe(index, layer, defaults, tuple(below), issues)
        for index, layer in documents
        if not _is_defaults(layer.document)
    ]
    return [located for located in found if located is not None]


def _beside(files: list[Path], reading: _Reading) -> list[Layer]:
    """The `defaults:` of the folder that lie in files that weren't asked for."""
    layers: list[Layer] = []
    asked = set(files)
    for file in yaml_files(files[0].parent, recursive=False):
        text = "" if file in asked else read_text(file, [])
        if "defaults" in text:
            read, faults = reading.layers(file, text)
            found = [layer for layer in read if _is_defaults(layer.document)]
            layers += found
            reading.issues.extend(faults if found or reading.budget.left < 0 else [])
    return layers


def _load_recipe(
    index: int, own: Layer, defaults: Mapping[str, object], below: tuple[Layer, ...], issues: list[Issue]
) -> Located | None:
    recipe = _parse(own, defaults, issues, below=below, kind=Recipe)
    issues += _unknown_axes(own, defaults, below)
    if recipe is None:
        return None
    stem = own.path.stem if index == 0 else f"{own.path.stem}-{index + 1}"
    located = Located(recipe.model_copy(update={"name": recipe.name or stem}), own.path, own.document, below)
    try:
        plain_name(located.recipe.name)
    except ValueError as error:
        issues.append(own.issue((), f"give a `name`, since the file's own won't do: {error}"))
    return located


def merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one mapping over another: mappings merge, everything else is replaced whole."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def _is_defaults(document: Document) -> bool:
    return isinstance(document.value, dict) and list(document.value) == ["defaults"]


def _defaults_of(layer: Layer, issues: list[Issue]) -> dict[str, object]:
    inner = layer.document.value["defaults"] if isinstance(layer.document.value, dict) else None
    if isinstance(inner, dict):
        return inner
    issues.append(layer.issue(("defaults",), "`defaults` must be a mapping"))
    return {}


def _parse(
    own: Layer, defaults: Mapping[str, object], issues: list[Issue], *, kind: type[Kind], below: tuple[Layer, ...] = ()
) -> Kind | None:
    if not isinstance(own.document.value, dict):
        issues.append(own.issue((), f"a {kind.__name__.lower()} must be a mapping of keys to values"))
        return None
    try:
        return kind.model_validate(merge(defaults, own.document.value))
    except ValidationError as error:
        issues += validation_issues(error, own.path, own.document, kind, below=below)
        return None


def validation_issues(
    error: ValidationError, file: Path, document: Document, kind: type[BaseModel], *, below: tuple[Layer, ...] = ()
) -> list[Issue]:
    """What pydantic found, in a recipe author's words, each at its place."""
    faults = error.errors(include_url=False)
    inner = {fault["loc"][:-1] for fault in faults if fault["loc"]}  # a list whose items are wrong counts as too short as well
    return [
        layer.issue(_blamed(fault), describe(fault, kind, layer.text(fault["loc"])))
        for fault in faults
        if not (fault["type"] == "too_short" and fault["loc"] in inner)
        for layer in (layer_of(_blamed(fault), Layer(file, document), below),)
    ]


def _blamed(fault: ErrorDetails) -> Keys:
    """The key to blame: pydantic knows none for what is wrong with several values together."""
    error = fault.get("ctx", {}).get("error")
    return (*fault["loc"], *error.keys) if isinstance(error, KeyedError) else fault["loc"]


def _unknown_axes(own: Layer, defaults: Mapping[str, object], below: tuple[Layer, ...]) -> list[Issue]:
    """Found in the text as it is, so that they are told together with whatever else is wrong."""
    said = own.document.value
    shapes = merge(defaults, said).get("shapes") if isinstance(said, dict) else None
    if not isinstance(shapes, dict):
        return []
    points: list[tuple[Keys, object]] = [(("shapes",), {name: size for name, size in shapes.items() if name not in LISTS})]
    for name in LISTS:
        listed = shapes.get(name)
        points += [(("shapes", name, index), point) for index, point in enumerate(listed if isinstance(listed, list) else ())]
    return [
        issue_at((*keys, name), unknown_key("axis", name, [*AXES, *LISTS]), own, below)
        for keys, point in points
        if isinstance(point, dict)
        for name in point
        if isinstance(name, str) and name not in AXES
    ]


def _same_names(found: list[Located]) -> list[Issue]:
    """Two recipes of one name would write one release folder."""
    seen: dict[tuple[str, str], Located] = {}
    issues = []
    for located in found:
        release = located.recipe.release.name or located.recipe.name
        for platform in located.recipe.platforms:
            first = seen.setdefault((release, platform), located)
            if first is not located:
                line = first.document.place(("name",))[0]
                message = f"the release {release}-{platform} is written by {first.path}:{line} already; give another `name`"
                issues.append(located.issue(("name",), message))
    return issues
