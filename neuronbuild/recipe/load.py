"""Files to recipes: every fault in every file at once, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from neuronbuild.errors import Issue, RecipeError
from neuronbuild.recipe.schema import Compiler, Limits, Recipe, ReleaseSettings, Workspace, unknown_word
from neuronbuild.recipe.yaml_tree import Document, Keys, read_documents
from neuronbuild.tasks import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

Kind = TypeVar("Kind", bound=BaseModel)

SUFFIXES = (".yaml", ".yml")
WORKSPACE_FILE = "neuronbuild.yaml"

_PARTS: dict[str, type[BaseModel]] = {"compiler": Compiler, "release": ReleaseSettings, "limits": Limits}


@dataclass(frozen=True, slots=True)
class Located:
    """A recipe and where it came from; `places` tells the line of any of its keys."""

    recipe: Recipe
    path: Path
    document: Document

    def issue(self, keys: Keys, message: str) -> Issue:
        """A fault found later, at the key that caused it."""
        return Issue(str(self.path), *self.document.place(keys), message)


def load_recipes(
    paths: Iterable[Path], *, defaults: Mapping[str, object] | None = None, recursive: bool = False
) -> list[Located]:
    """Read recipes from files and folders.

    A folder means the YAML files directly in it, or at any depth if `recursive`. A document that holds nothing but
    `defaults:` applies to all recipes of its folder; `defaults` given here come below those.

    Raises:
        RecipeError: with every issue of every file, or because a path holds no recipe.
    """
    issues: list[Issue] = []
    found: list[Located] = []
    by_folder: dict[Path, list[Path]] = {}
    for file in _files(paths, recursive=recursive, issues=issues):
        by_folder.setdefault(file.parent, []).append(file)
    for files in by_folder.values():
        found += _load_folder(files, defaults or {}, issues)
    issues += _same_names(found)
    if issues:
        raise RecipeError(issues)
    return found


def load_workspace(folder: Path) -> tuple[Workspace, Path]:
    """The workspace file of a folder or of the nearest folder above that has one, and its folder.

    Raises:
        RecipeError: the file is there, but wrong.
    """
    for candidate in (folder, *folder.parents):
        file = candidate / WORKSPACE_FILE
        if file.is_file():
            return _load_workspace_file(file), candidate
    return Workspace(), folder


def _load_workspace_file(file: Path) -> Workspace:
    issues: list[Issue] = []
    documents, faults = read_documents(_read(file, issues), str(file))
    issues += faults
    workspace = _parse(documents[0], file, {}, issues, kind=Workspace) if documents else Workspace()
    if issues or workspace is None:
        raise RecipeError(issues)
    return workspace


def _files(paths: Iterable[Path], *, recursive: bool, issues: list[Issue]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            pattern = "**/*" if recursive else "*"
            inside = [f for f in sorted(path.glob(pattern)) if f.suffix in SUFFIXES and f.name != WORKSPACE_FILE]
            if not inside:
                issues.append(Issue(str(path), 1, 1, "no recipe (*.yaml) in this folder"))
            files += inside
        elif path.exists():
            files.append(path)
        else:
            issues.append(Issue(str(path), 1, 1, "no such file or folder"))
    return list(dict.fromkeys(files))


def _load_folder(files: list[Path], defaults: Mapping[str, object], issues: list[Issue]) -> list[Located]:
    documents: list[tuple[Path, int, Document]] = []
    for file in files:
        read, faults = read_documents(_read(file, issues), str(file))
        issues += faults
        documents += [(file, index, document) for index, document in enumerate(read)]
    for file, _, document in documents:
        if _is_defaults(document):
            defaults = merge(defaults, _defaults_of(document, file, issues))
    found = []
    for file, index, document in documents:
        if not _is_defaults(document):
            recipe = _parse(document, file, defaults, issues, kind=Recipe)
            if recipe is not None:
                issues += _unknown_axes(recipe, file, document)
                name = recipe.name or (file.stem if index == 0 else f"{file.stem}-{index + 1}")
                found.append(Located(recipe.model_copy(update={"name": name}), file, document))
    return found


def merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one mapping over another: mappings merge, everything else is replaced whole."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def _read(file: Path, issues: list[Issue]) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        issues.append(Issue(str(file), 1, 1, f"can't be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        issues.append(Issue(str(file), 1, 1, f"not UTF-8 text: {error.reason} at byte {error.start}"))
    return ""


def _is_defaults(document: Document) -> bool:
    return isinstance(document.value, dict) and list(document.value) == ["defaults"]


def _defaults_of(document: Document, file: Path, issues: list[Issue]) -> dict[str, object]:
    inner = document.value["defaults"] if isinstance(document.value, dict) else None
    if isinstance(inner, dict):
        return inner
    issues.append(Issue(str(file), *document.place(("defaults",)), "`defaults` must be a mapping"))
    return {}


def _parse(
    document: Document, file: Path, defaults: Mapping[str, object], issues: list[Issue], *, kind: type[Kind]
) -> Kind | None:
    if not isinstance(document.value, dict):
        issues.append(Issue(str(file), *document.place(()), "a recipe must be a mapping of keys to values"))
        return None
    try:
        return kind.model_validate(merge(defaults, document.value))
    except ValidationError as error:
        issues += validation_issues(error, file, document, kind)
        return None


def validation_issues(error: ValidationError, file: Path, document: Document, kind: type[BaseModel]) -> list[Issue]:
    """What pydantic found, in a recipe author's words, each at its place."""
    return [Issue(str(file), *document.place(fault["loc"]), _message(fault, kind)) for fault in error.errors(include_url=False)]


def _unknown_axes(recipe: Recipe, file: Path, document: Document) -> list[Issue]:
    shapes = recipe.shapes
    points: list[tuple[Keys, Iterable[str]]] = [(("shapes",), shapes.axes)]
    points += [(("shapes", "exclude", index), point) for index, point in enumerate(shapes.exclude)]
    points += [(("shapes", "include", index), point) for index, point in enumerate(shapes.include)]
    return [
        Issue(str(file), *document.place((*keys, name)), unknown_word("axis", name, [*AXES, "exclude", "include"]))
        for keys, names in points
        for name in names
        if name not in AXES
    ]


def _message(fault: ErrorDetails, kind: type[BaseModel]) -> str:
    """Pydantic's finding, in a recipe author's words."""
    keys, code = fault["loc"], fault["type"]
    where = ".".join(map(str, keys))
    if code == "extra_forbidden":
        known = _PARTS.get(str(keys[0]), kind) if len(keys) > 1 else kind
        return unknown_word("key", str(keys[-1]), list(known.model_fields))
    if code == "missing":
        return f"the key {where!r} is missing"
    if code == "literal_error":
        words = re.findall(r"'([^']+)'", fault["ctx"]["expected"])
        return unknown_word(where, str(fault["input"]), words) if words else f"{where}: should be {fault['ctx']['expected']}"
    text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {text}" if where else text


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
