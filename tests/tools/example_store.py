"""The worked example of docs/add-a-store.md: its module, and its line in the table of remote stores."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

from neuronbuild.store import location

PAGE = Path(__file__).resolve().parents[2] / "docs/add-a-store.md"
LINE = re.compile(r'"(?P<scheme>[a-z]+://)": \("(?P<module>\w+)", "(?P<extra>\w+)"\),')


def blocks() -> list[str]:
    """The blocks of code of the page, in order: the module and the line."""
    return re.findall(r"```(?:python|text)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def install(folder: Path, monkeypatch) -> tuple[ModuleType, str]:
    """Write the module, add the line, and give the module and the scheme of its locations."""
    module, line = blocks()
    named = LINE.fullmatch(line.strip())
    assert named is not None, line
    (folder / f"{named['module']}.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, named["module"], raising=False)
    monkeypatch.setitem(location.SCHEMES, named["scheme"], (named["module"], named["extra"]))
    return importlib.import_module(named["module"]), named["scheme"]
