"""Files of recipes: which there are, and their text."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from neuronbuild.errors import Issue
from neuronbuild.files import read_plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIXES = (".yaml", ".yml")
WORKSPACE_FILE = "neuronbuild.yaml"

MOST_BYTES = 1 << 20
"""Size of a file of recipes. One is a few hundred bytes, and a megabyte takes a second to read."""


def find_files(paths: Iterable[Path], *, recursive: bool, issues: list[Issue]) -> list[Path]:
    """The files of recipes that are meant by files and folders, each once; `issues` gets what is wrong with those."""
    files: list[Path] = []
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            issues.append(Issue(str(path), 1, 1, "no such file or folder"))
        except OSError as error:
            issues.append(Issue(str(path), 1, 1, f"can't be read: {error.strerror}"))
        else:
            inside = yaml_files(path, recursive=recursive) if is_folder else [path]
            if not inside:
                issues.append(Issue(str(path), 1, 1, "no recipe (*.yaml) in this folder"))
            files += inside
    return list(dict.fromkeys(files))


def yaml_files(folder: Path, *, recursive: bool) -> list[Path]:
    """The YAML files in a folder, in order, but for the workspace's own."""
    names = sorted(folder.glob("**/*" if recursive else "*"))
    return [file for file in names if file.suffix in SUFFIXES and file.name != WORKSPACE_FILE and not file.is_dir()]


def read_text(file: Path, issues: list[Issue]) -> str:
    """The text of a file, empty where it can't be read; `issues` gets why."""
    try:
        return read_plain(file, MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        issues.append(Issue(str(file), 1, 1, f"can't be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        issues.append(Issue(str(file), 1, 1, f"not UTF-8 text: {error.reason} at byte {error.start}"))
    return ""
