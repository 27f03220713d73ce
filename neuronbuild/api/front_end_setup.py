"""Make the environment with torch-xla that `preflight` lowers graphs in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from neuronbuild.api.preflight import environment_of, open_front_end
from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.frontend import NAME, PACKAGES, PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.api.settings import Settings

READY = "ready"
"""A file in the environment's folder that says that all was installed."""


def set_up(settings: Settings) -> Path:
    """The environment's interpreter; the environment is made if it isn't there. pip's own words go to stderr.

    Raises:
        ToolchainError: the workspace names another one, this Python is none that torch-xla is built for, or pip failed.
    """
    if settings.toolchain(NAME).python is not None:
        problem = "neuronbuild.yaml names an interpreter for it already (toolchains.frontend.python)"
        raise ToolchainError(NAME, problem, hint="leave that out to have one made here")
    python = make_environment(environment_of(settings))
    open_front_end(settings).check()
    return python


def make_environment(folder: Path) -> Path:
    """The interpreter of the environment in a folder, which is made if it isn't whole there.

    Raises:
        ToolchainError: this Python is none that torch-xla is built for, or pip failed.
    """
    python = folder / "bin/python"
    if (folder / READY).exists():
        return python
    minor, (oldest, newest) = sys.version_info.minor, PYTHONS
    if not oldest <= minor <= newest:
        problem = f"torch-xla {PACKAGES['torch-xla']} has no package for Python 3.{minor}"
        hint = f"make a virtual environment of Python 3.{oldest} to 3.{newest} by hand: pip install {' '.join(_requirements())}"
        raise ToolchainError(NAME, problem, hint=hint)
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted one left
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", *_requirements()]):
        try:
            done = subprocess.run(command, stdout=sys.stderr, check=False)
        except OSError as error:
            raise ToolchainError(NAME, f"{command[0]} can't be started: {error.strerror}") from None
        if done.returncode != 0:
            hint = "it said why above; the environment takes 7 GB of disk, and 3 GB are downloaded"
            raise ToolchainError(NAME, f"{' '.join(command)} failed with status {done.returncode}", hint=hint)
    (folder / READY).touch()
    return python


def _requirements() -> list[str]:
    return [f"{name}=={version}" if version else name for name, version in PACKAGES.items()]
