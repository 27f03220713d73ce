"""`doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from neuronbuild.api.settings import Settings
from neuronbuild.cli.options import json_option, settings_for
from neuronbuild.cli.output import put, put_json
from neuronbuild.errors import NeuronBuildError, RecipeError
from neuronbuild.host import cpu_flags
from neuronbuild.toolchain.isa import highest_level
from neuronbuild.toolchain.registry import open_toolchain
from neuronbuild.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRAS = {
    "torch": "pip install 'neuronbuild[cpu]'",
    "transformers": "pip install 'neuronbuild[cpu]'",
    "safetensors": "pip install 'neuronbuild[cpu]'",
    "boto3": "pip install 'neuronbuild[s3]' (shared stores)",
    "ray": "pip install 'neuronbuild[ray]' (clusters)",
}
SPACE = 5 << 30
"""Bytes that should be free where artifacts are kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `needed` says that `cpu` builds fail without it."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False


@click.command("doctor")
@json_option
def doctor_command(*, as_json: bool) -> int:
    """Say what toolchains, compilers and versions are here, what is missing, and how to get it.

    Exits with 5 if this machine can't compile for the cpu platform.
    """
    findings = list(_look())
    if as_json:
        put_json({"version": 1, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "ok" if finding.ok else ("MISSING" if finding.needed else "-")
            advice = f"   -> {finding.advice}" if finding.advice and not finding.ok else ""
            put(f"{mark:8}{finding.name:16}{finding.found}{advice}")
    return 5 if any(finding.needed and not finding.ok for finding in findings) else 0


def _look() -> Iterator[Finding]:
    yield Finding("neuronbuild", ok=True, found=f"{__version__} on Python {platform.python_version()} ({sys.executable})")
    level = highest_level(cpu_flags())
    found = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {level.march if level else 'no AVX2'}"
    yield Finding("host", ok=level is not None, found=found, advice="the cpu platform needs AVX2", needed=True)
    compiler = shutil.which("g++")
    yield Finding(
        "g++",
        ok=compiler is not None,
        found=compiler or "not on PATH",
        advice="apt install g++, or dnf install gcc-c++",
        needed=True,
    )
    for package, advice in EXTRAS.items():
        version = _version(package)
        needed = "[cpu]" in advice
        yield Finding(package, ok=version is not None, found=version or "not installed", advice=advice, needed=needed)
    settings, finding = _workspace()
    yield finding
    yield _toolchain(settings)
    for package in ("torch-neuronx", "neuronx-cc", "torch-neuron"):
        version = _version(package)
        yield Finding(
            package,
            ok=version is not None,
            found=version or "not installed",
            advice="AWS's own package index has it, PyPI has a placeholder",
        )
    free = shutil.disk_usage(_existing(settings.cache)).free
    yield Finding("store", ok=free > SPACE, found=f"{settings.cache}, {free / 2**30:.0f} GiB free", advice="free some space")


def _workspace() -> tuple[Settings, Finding]:
    """The settings here, or the defaults where the workspace's file is wrong: the rest is worth knowing all the same."""
    try:
        settings = settings_for()
    except RecipeError as error:
        return Settings(), Finding("workspace", ok=False, found=str(error), advice="mend it: no command reads recipes before")
    return settings, Finding("workspace", ok=True, found="no faults")


def _toolchain(settings: Settings) -> Finding:
    try:
        toolchain = open_toolchain("cpu", scratch=settings.scratch / "toolchains", isa=settings.isa)
        toolchain.preflight()
        versions = toolchain.fingerprint("cpu").versions
    except NeuronBuildError as error:
        return Finding("platform cpu", ok=False, found=str(error), advice=error.hint or "", needed=True)
    return Finding(
        "platform cpu", ok=True, found=", ".join(f"{name} {version}" for name, version in versions.items()), needed=True
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(path: str) -> str:
    while not os.path.exists(path):  # noqa: PTH110 (text up to the root)
        path = os.path.dirname(path) or "."  # noqa: PTH120
    return path
