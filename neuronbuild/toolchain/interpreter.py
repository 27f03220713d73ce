"""What another interpreter has: asked in a process of its own, once, and remembered until its packages change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.errors import ToolchainError
from neuronbuild.memo import Memo
from neuronbuild.sdks import INDEX, LAST_WITH_TRACE, PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBE = Path(__file__).resolve().parent.parent / "worker" / "probe.py"
PATIENCE = 300
SETTLED = 2.0
"""Seconds that a folder must have been left alone before what was found in it is remembered."""

SAYS = re.compile(r"NeuronX Compiler version (\d+\.\d+\.\d+\.\d+(?:\+[0-9a-f]+)?)")
TRACED = re.compile(r"(1\.13\.1|2\.[0-9]\.\d+)\.")
"""Versions of torch-neuronx that have `trace`, the last for torch 2.9. From torch 2.10 on the name is another product's."""

QUIET = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
"""Keeps torch from importing that other product with itself, which would look for a device."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Versions of packages, and the first line of each compiler that its PATH leads to.

    `declared` is the lineage that torch-neuronx declares itself; empty where it declares none.
    """

    interpreter: str
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    compilers: Mapping[str, str] = field(default_factory=dict)
    declared: str = ""

    @property
    def compiler(self) -> str | None:
        """The version of neuronx-cc with its build, as the command itself says it; without one where it says none."""
        said = SAYS.match(self.compilers.get("neuronx-cc", ""))
        return said.group(1) if said else None

    @property
    def lineage(self) -> str | None:
        """`xla` is the torch-neuronx that has `trace`, `native` the one that has not; `None` without either."""
        version = self.packages.get("torch-neuronx")
        if version is None or version == PLACEHOLDERS["torch-neuronx"]:
            return None
        return self.declared or ("xla" if TRACED.match(version) else "native")

    @property
    def placeholders(self) -> list[str]:
        """Packages that came from PyPI, and are empty."""
        return [name for name, version in self.packages.items() if PLACEHOLDERS.get(name) == version]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an environment, and what to do."""

    problem: str
    advice: str


def ask(interpreter: str, notes: Path | None) -> Installed:
    """What an interpreter has. `notes` is the file where answers are remembered.

    Raises:
        ToolchainError: it can't be started, or doesn't answer.
    """
    place = locate(interpreter)
    memo = Memo(notes, _is_sound)
    known = memo.get(place)
    if known is not None and known[0] == _state(place, known[1]):
        return _read(interpreter, known[2])
    said = _run(place)
    state = _state(place, said["places"])
    if state and max(state) < time.time_ns() - SETTLED * 1e9:
        memo.put(place, [state, said["places"], said])
        memo.save()
    return _read(interpreter, said)


def locate(interpreter: str) -> str:
    """The path of an interpreter. Links are left as they are: a virtual environment's is one, and leads out of it.

    Raises:
        ToolchainError: there is none.
    """
    path = shutil.which(os.path.expanduser(interpreter))  # noqa: PTH111 (a name is looked up on PATH, too)
    if path is None:
        raise ToolchainError(interpreter, "there is no such interpreter", hint="mend `toolchains:` in neuronbuild.yaml")
    return os.path.abspath(path)  # noqa: PTH100


def search_path(place: str) -> str:
    """PATH with the folder of an interpreter first: its compilers are there, whether or not it was activated."""
    return os.pathsep.join([os.path.dirname(place), os.environ.get("PATH", os.defpath)])  # noqa: PTH120


def neuronx_faults(found: Installed) -> list[Fault]:
    """What keeps an environment from compiling for inf2 and all Trainium."""
    index = f"pip install --extra-index-url {INDEX}"
    faults = [Fault(f"{name} is the empty package from PyPI", f"{index} --upgrade {name}") for name in found.placeholders]
    needed = ("torch-neuronx", "neuronx-cc", "libneuronxla", *(("torch-xla",) if found.lineage == "xla" else ()))
    lacking = [name for name in needed if name not in found.packages]
    faults += [Fault(f"{name} is not installed", f"{index} {name}") for name in lacking]
    if found.lineage == "native":
        version = found.packages["torch-neuronx"]
        problem = f"torch-neuronx {version} is TorchNeuron, which has no `trace`"
        faults.append(
            Fault(problem, f"{index} torch-neuronx=={LAST_WITH_TRACE} (with torch-xla), in an environment of its own")
        )
    packaged = found.packages.get("neuronx-cc", "")
    if packaged and packaged not in PLACEHOLDERS.values():
        faults += _compiler_faults(found, packaged)
    faults += [
        Fault(f"{name} is not installed", f"pip install {name}")
        for name in ("transformers", "safetensors")
        if name not in found.packages
    ]
    return faults


def _compiler_faults(found: Installed, packaged: str) -> list[Fault]:
    if found.compiler is None:
        said = found.compilers.get("neuronx-cc")
        problem = f"neuronx-cc doesn't tell its version: {said}" if said else "the compiler neuronx-cc is not on PATH"
        return [Fault(problem, "install neuronx-cc in the same environment as torch-neuronx")]
    if found.compiler.partition("+")[0] != packaged.partition("+")[0]:
        problem = f"the command neuronx-cc is {found.compiler}, the package is {packaged}"
        return [Fault(problem, "one of them is another environment's: look at PATH")]
    return []


def _run(place: str) -> dict[str, object]:
    environment = {**os.environ, **QUIET, "PATH": search_path(place)}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            [place, str(PROBE)], capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
        )
        said = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise ToolchainError(place, f"the interpreter gives no answer: {error}", hint="start it by hand, and see") from None
    if not isinstance(said, dict):
        raise ToolchainError(place, "the interpreter gives no answer", hint="start it by hand, and see")
    return said


def _read(interpreter: str, said: object) -> Installed:
    if not isinstance(said, dict):
        return Installed(interpreter)
    packages, compilers = dict(said["packages"]), dict(said["compilers"])
    return Installed(interpreter, str(said["python"]), packages, compilers, str(said["lineage"]))


def _state(place: str, places: object) -> list[int]:
    """When the interpreter and its folders of packages were last changed; empty where one of them is gone."""
    folders = places if isinstance(places, list) else []
    try:
        return [os.stat(path).st_mtime_ns for path in (place, *folders)]  # noqa: PTH116
    except OSError:
        return []


def _is_sound(entry: object) -> bool:
    match entry:
        case [list(), list(), {"python": str(), "packages": dict(), "compilers": dict(), "lineage": str()}]:
            return True
        case _:
            return False
