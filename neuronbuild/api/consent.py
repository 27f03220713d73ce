"""Interpreters that a workspace brings along: run only where this user has agreed to it, once for each folder.

`plan` asks toolchains who they are, which starts their interpreters. An interpreter that lies in the workspace, or that the
file of another user names, is code of whoever made that workspace.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.errors import UsageError
from neuronbuild.memo import Memo
from neuronbuild.recipe.paths import WORKSPACE_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.recipe.schema import Interpreter, ToolchainName

CONSENTS = "trusted.json"
ROOT = 0
"""The user whose files everybody trusts already."""


def user_config() -> Path:
    """This user's folder for what was decided once (XDG base directory specification)."""
    root = os.environ.get("XDG_CONFIG_HOME")
    return (Path(root) if root else Path.home() / ".config") / "neuronbuild"


def place_interpreter(said: Interpreter, base: Path) -> Interpreter:
    """An interpreter's path from the workspace's folder; a bare name is looked up on PATH."""
    if said.python is None or os.sep not in said.python:
        return said
    return said.model_copy(update={"python": str(base / Path(said.python).expanduser())})


def untrusted(toolchains: Mapping[ToolchainName, Interpreter], base: Path) -> dict[str, Path]:
    """The workspace's folder by each toolchain whose interpreter takes consent that wasn't given."""
    asking = brought_along(toolchains, base)
    given = _memo().get(_name(base)) if asking else None
    return {name: base for name, place in asking.items() if _identity(place) not in (given or ())}


def brought_along(toolchains: Mapping[ToolchainName, Interpreter], base: Path) -> dict[str, str]:
    """The interpreters of a workspace, as it names them, that are its own, by toolchain."""
    foreign = bool(toolchains) and _is_foreign(base / WORKSPACE_FILE)
    return {
        name: place
        for name, said in toolchains.items()
        if said.python is not None
        for place in [_locate(str(place_interpreter(said, base).python))]
        if foreign or _is_relative(said.python) or _lies_in(place, base)
    }


def give_consent(toolchains: Mapping[ToolchainName, Interpreter], base: Path) -> dict[str, str]:
    """Agree to a workspace's own interpreters, as they are named now, and give them by toolchain.

    Raises:
        UsageError: it can't be remembered.
    """
    asking = brought_along(toolchains, base)
    memo = _memo()
    memo.put(_name(base), [_identity(place) for place in asking.values()])
    memo.save()
    if asking and untrusted(toolchains, base):
        path = user_config() / CONSENTS
        raise UsageError(f"{path} can't be written", hint="have XDG_CONFIG_HOME name a folder that can be written")
    return asking


def _memo() -> Memo:
    return Memo(user_config() / CONSENTS, lambda entry: isinstance(entry, list))


def _name(base: Path) -> str:
    return os.path.realpath(base)


def _locate(python: str) -> str:
    return os.path.abspath(shutil.which(python) or python)  # noqa: PTH100 (a virtual environment's link is left as it is)


def _identity(place: str) -> str:
    """What was agreed to: the path and what it leads to. Another asks again."""
    return f"{place} -> {os.path.realpath(place)}"


def _is_relative(python: str) -> bool:
    return os.sep in python and not Path(python).expanduser().is_absolute()


def _lies_in(place: str, base: Path) -> bool:
    roots = {f"{os.path.abspath(base)}{os.sep}", f"{os.path.realpath(base)}{os.sep}"}  # noqa: PTH100
    real = os.path.realpath(os.path.dirname(place))  # noqa: PTH120 (a link's own folder, and what it leads to)
    paths = (place, f"{real}{os.sep}", os.path.realpath(place))
    return any(path.startswith(root) for path in paths for root in roots)


def _is_foreign(file: Path) -> bool:
    try:
        return file.stat().st_uid not in {os.getuid(), ROOT}
    except OSError:
        return False
