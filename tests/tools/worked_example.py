"""Changes that a page of the documents shows as diffs, applied to a copy of the package."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT


def apply_page(name: str, folder: Path) -> Path:
    """Copy the package into a folder, apply the diffs of a page in `docs`, and give the folder."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    diffs = re.findall(r"```diff\n(.*?)```", page, re.DOTALL)
    assert diffs, f"{name} shows no change"
    shutil.copytree(ROOT / "neuronbuild", folder / "neuronbuild", ignore=shutil.ignore_patterns("__pycache__"))
    for diff in diffs:
        done = subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, f"{name} doesn't fit the package any more: {done.stderr}"
    return folder
