"""Files to recipes: every fault in every file at once, each with its place."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from neuronbuild.errors import Issue, RecipeError
from neuronbuild.files import read_plain
from neuronbuild.recipe.schema import KeyedError, Recipe, Workspace, plain_name, unknown_word
from neuronbuild.recipe.wording import describe
from neuronbuild.recipe.yaml_tree import Document, Keys, read_documents
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

Kind = TypeVar("Kind", bound=BaseModel)

SUFFIXES = (".yaml", ".yml")
WORKSPACE_FILE = "neuronbuild.yaml"
LISTS = ("exclude", "include")
"""Under `shapes`, beside the axes."""

MOST_BYTES = 1 << 20
"""Size of a file of recipes. One is a few hundred bytes, and a megabyte takes a second to read."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A document that says part of a recipe: the recipe's own, or a `defaults:` whose keys stand under `top`."""

    path: Path
    document: Document
    top: Keys = ()

    def says(self, keys: Keys) -> bool:
        """Whether the value at these keys was written here, rather than taken from a layer below."""
        value = self.document.value
        for key in (*self.top, *keys):
            if not isinstance(value, dict):
                return True
            if key not in value:
                return False
            value = value[key]
        return True

    def issue(self, keys: Keys, message: str) -> Issue:
        """A fault at one of this document's keys."""
        return Issue(str(self.path), *self.document.place((*self.top, *keys)), message)


@dataclass(frozen=True, slots=True)
class Located:
    """A recipe and the documents that it came from: its own, and `defaults:` below it, the nearest first."""

    recipe: Recipe
    path: Path
    document: Document
    below: tuple[Layer, ...] = ()

    def issue(self, keys: Keys, message: str) -> Issue:
        """A fault found later, at the key that caused it."""
        return _issue(keys, message, Layer(self.path, self.document), self.below)

    def depth(self, keys: Keys) -> int:
        """How many layers lie over the one that says what is at some keys: 0 if it is the recipe's own document."""
        layers = (Layer(self.path, self.document), *self.below)
        return next((depth for depth, layer in enumerate(layers) if layer.says(keys)), len(layers))


def _issue(keys: Keys, message: str, own: Layer, below: tuple[Layer, ...]) -> Issue:
    return next((layer for layer in (own, *below) if layer.says(keys)), own).issue(keys, message)


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
    paths = list(paths)
    issues: list[Issue] = []
    found: list[Located] = []
    by_folder: dict[Path, list[Path]] = {}
    for file in _files(paths, recursive=recursive, issues=issues):
        by_folder.setdefault(file.parent, []).append(file)
    for files in by_folder.values():
        found += _load_folder(files, defaults or {}, issues)
    issues += _same_names(found)
    if not found and not issues:
        issues += [Issue(str(path), 1, 1, "no recipe in here") for path in paths]
    if issues:
        raise RecipeError(set(issues))
    return found


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
    documents, faults = read_documents(_read(file, issues), str(file))
    issues += faults
    issues += [Layer(file, document).issue((), "a workspace file holds one document") for document in documents[1:]]
    workspace = _parse(Layer(file, documents[0]), {}, issues, kind=Workspace) if documents else Workspace()
    if issues or workspace is None:
        raise RecipeError(issues)
    return workspace


def _files(paths: Iterable[Path], *, recursive: bool, issues: list[Issue]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        try:
            inside = _yaml_files(path, recursive=recursive) if stat.S_ISDIR(path.stat().st_mode) else [path]
        except (FileNotFoundError, NotADirectoryError, ValueError):
            issues.append(Issue(str(path), 1, 1, "no such file or folder"))
        except OSError as error:
            issues.append(Issue(str(path), 1, 1, f"can't be read: {error.strerror}"))
        else:
            if not inside:
                issues.append(Issue(str(path), 1, 1, "no recipe (*.yaml) in this folder"))
            files += inside
    return list(dict.fromkeys(files))


def _yaml_files(folder: Path, *, recursive: bool) -> list[Path]:
    os.scandir(folder).close()  # glob finds nothing in a folder that may not be read, and doesn't say why
    names = sorted(folder.glob("**/*" if recursive else "*"))
    return [file for file in names if file.suffix in SUFFIXES and file.name != WORKSPACE_FILE and not file.is_dir()]


def _load_folder(files: list[Path], defaults: Mapping[str, object], issues: list[Issue]) -> list[Located]:
    documents: list[tuple[int, Layer]] = []
    for file in files:
        read, faults = read_documents(_read(file, issues), str(file))
        issues += faults
        documents += [(index, Layer(file, document)) for index, document in enumerate(read)]
    below: list[Layer] = []
    for layer in [*_beside(files, issues), *(layer for _, layer in documents)]:
        if _is_defaults(layer.document):
            defaults = merge(defaults, _defaults_of(layer, issues))
            below.insert(0, Layer(layer.path, layer.document, ("defaults",)))
    found = [
        _load_recipe(index, layer, defaults, tuple(below), issues)
        for index, layer in documents
        if not _is_defaults(layer.document)
    ]
    return [located for located in found if located is not None]


def _beside(files: list[Path], issues: list[Issue]) -> list[Layer]:
    """The `defaults:` of the folder that lie in files that weren't asked for."""
    layers: list[Layer] = []
    asked = set(files)
    for file in _yaml_files(files[0].parent, recursive=False):
        text = "" if file in asked else _read(file, [])
        if "defaults" in text:
            read, faults = read_documents(text, str(file))
            found = [Layer(file, document) for document in read if _is_defaults(document)]
            layers += found
            issues += faults if found else []
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


def _read(file: Path, issues: list[Issue]) -> str:
    try:
        return read_plain(file, MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        issues.append(Issue(str(file), 1, 1, f"can't be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        issues.append(Issue(str(file), 1, 1, f"not UTF-8 text: {error.reason} at byte {error.start}"))
    return ""


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
        _issue(_blamed(fault), describe(fault, kind), Layer(file, document), below)
        for fault in faults
        if not (fault["type"] == "too_short" and fault["loc"] in inner)
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
        _issue((*keys, name), unknown_word("axis", name, [*AXES, *LISTS]), own, below)
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
