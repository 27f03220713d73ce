"""`doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuronbuild.api.checkup import Finding, check_keys, check_stores
from neuronbuild.api.outlook import outlook
from neuronbuild.api.selftest import selftest
from neuronbuild.api.settings import Settings
from neuronbuild.cli.options import json_option, platform_option, settings_for
from neuronbuild.cli.output import put, put_json, put_wrapped
from neuronbuild.cli.used import used_by
from neuronbuild.counts import counted, listed
from neuronbuild.errors import NeuronBuildError, RecipeError, UsageError
from neuronbuild.host import cpu_flags, neuron_platform
from neuronbuild.platforms import PLATFORMS
from neuronbuild.sdks import INDEX, PLACEHOLDERS, SDKS
from neuronbuild.store.location import is_remote
from neuronbuild.toolchain.isa import highest_level
from neuronbuild.toolchain.registry import open_toolchain
from neuronbuild.toolchain.sdk import SdkToolchain
from neuronbuild.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.api.selftest import Assumption
    from neuronbuild.cli.used import Used

EXTRAS = {
    "torch": "pip install 'neuronbuild[cpu]'",
    "transformers": "pip install 'neuronbuild[cpu]'",
    "safetensors": "pip install 'neuronbuild[cpu]'",
    "boto3": "pip install 'neuronbuild[s3]' (shared stores)",
}
SPACE = 5 << 30
"""Bytes that should be free where artifacts are kept."""

NEURON = {"neuronx": "inf2", "neuron": "inf1", "optimum": "trn1"}
"""The SDK's toolchains, each with a platform to ask it about."""

IGNORED = ("NEURON_CC_FLAGS", "NEURON_LOGICAL_NC_CONFIG", "NEURON_PLATFORM_TARGET_OVERRIDE", "NEURON_COMPILE_CACHE_URL")
"""Variables that people set for the SDK, and that no compile of ours sees."""

CPU = PLATFORMS["cpu"].toolchain

SHOWN = 3
"""Recipes that are named before the rest is only counted."""

TROUBLE = "known trouble"

SELFTEST = ("inf2", "trn1", "trn2", "trn3", "inf1")


@click.command("doctor")
@click.option(
    "--selftest", "testing", is_flag=True, help="Compile a tiny graph for each Neuron platform, and try what is assumed."
)
@platform_option
@json_option
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[RECIPES]...")
def doctor_command(*, recipes: tuple[Path, ...], as_json: bool, testing: bool, platforms: tuple[str, ...]) -> int:
    """Say what toolchains, compilers and versions are here, what is missing, and how to get it.

    Toolchains are those that RECIPES (default: those in recipes/) use, or all where there are none. Exits with 5 if this
    machine can't compile what they ask for, or without any, for the cpu platform. With --selftest: if the Neuron SDK is not
    as its documents say; --platform chooses what is tried.
    """
    if testing:
        return _selftest(platforms, as_json=as_json)
    findings = list(_look(recipes))
    if as_json:
        put_json({"version": 1, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "ok" if finding.ok else ("MISSING" if finding.needed else "-")
            advice = f"   -> {finding.advice}" if finding.advice and not finding.ok else ""
            put_wrapped(f"{mark:8}{finding.name:18}", f"{finding.found}{advice}")
    return 5 if any(finding.needed and not finding.ok for finding in findings) else 0


def _look(recipes: tuple[Path, ...]) -> Iterator[Finding]:
    settings, workspace = _workspace()
    used = used_by(recipes, settings)
    on_cpu = used is None or not used.recipes or CPU in used.recipes
    yield Finding("neuronbuild", ok=True, found=f"{__version__} on Python {platform.python_version()} ({sys.executable})")
    level = highest_level(cpu_flags())
    cores = counted(os.cpu_count() or 1, "core")
    found = f"{platform.system()} {platform.machine()}, {cores}, {level.march if level else 'no AVX2'}"
    yield Finding("host", ok=level is not None, found=found, advice="the cpu platform needs AVX2", needed=on_cpu)
    compiler = shutil.which("g++")
    yield Finding(
        "g++",
        ok=compiler is not None,
        found=compiler or "not on PATH",
        advice="apt install g++, or dnf install gcc-c++",
        needed=on_cpu,
    )
    for package, advice in EXTRAS.items():
        version = _version(package)
        needed = on_cpu and "[cpu]" in advice
        yield Finding(package, ok=version is not None, found=version or "not installed", advice=advice, needed=needed)
    yield workspace
    if used is not None:
        yield _recipes(used)
    if on_cpu:
        yield _cpu(settings)
    yield from _neuron(settings, used)
    if not is_remote(settings.cache):
        free = shutil.disk_usage(_existing(settings.cache)).free
        yield Finding(
            "store", ok=free > SPACE, found=f"{settings.cache}, {free / 2**30:.0f} GiB free", advice="free some space"
        )
    yield from check_stores(settings)
    yield check_keys(settings)


def _workspace() -> tuple[Settings, Finding]:
    """The settings here, or the defaults where the workspace's file is wrong: the rest is worth knowing all the same."""
    try:
        settings = settings_for()
    except RecipeError as error:
        return Settings(), Finding(
            "workspace", ok=False, found=error.message, advice="mend it: no command reads recipes before"
        )
    return settings, Finding("workspace", ok=True, found="no faults")


def _recipes(used: Used) -> Finding:
    """What recipes use; several may be named in one line."""
    told = "; ".join(f"{name} for {_some(recipes)}" for name, recipes in used.recipes.items())
    faults = f"{counted(used.faults, 'fault')} in recipes" if used.faults else ""
    found = "; ".join(filter(None, (told, faults)))
    return Finding("recipes", ok=not used.faults, found=found, advice="`neuronbuild validate` tells each fault")


def _some(names: list[str]) -> str:
    more = [f"{len(names) - SHOWN:,} more"] if len(names) > SHOWN else []
    return listed([*names[:SHOWN], *more], "and")


def _cpu(settings: Settings) -> Finding:
    try:
        toolchain = open_toolchain("inductor", "cpu", settings.toolchain("inductor"))
        toolchain.preflight()
        versions = toolchain.fingerprint("cpu").versions
    except NeuronBuildError as error:
        return Finding("platform cpu", ok=False, found=error.message, advice=error.hint or "", needed=True)
    return Finding(
        "platform cpu", ok=True, found=", ".join(f"{name} {version}" for name, version in versions.items()), needed=True
    )


def _neuron(settings: Settings, used: Used | None) -> Iterator[Finding]:
    """Devices of this host, the SDK's environments, and what would mislead either."""
    here = neuron_platform()
    yield Finding("Neuron device", ok=here is not None, found=here or "none", advice="needed to run, not to compile")
    if settings.sdk is not None:
        yield Finding("sdk", ok=settings.sdk in SDKS, found=f"{settings.sdk} is pinned", advice=f"known: {', '.join(SDKS)}")
    for package, version in PLACEHOLDERS.items():
        if _version(package) == version:
            found = f"{version}, the empty package from PyPI"
            yield Finding(package, ok=False, found=found, advice=f"pip install --extra-index-url {INDEX} --upgrade {package}")
    yield from _environments(settings, used)
    if used is not None and not NEURON.keys().isdisjoint(used.recipes):
        yield from _troubles(settings, used)
    for name in IGNORED:
        if name in os.environ:
            yield Finding(name, ok=False, found="is set", advice="it has no effect here: flags are the recipe's")


def _environments(settings: Settings, used: Used | None) -> Iterator[Finding]:
    """Those that recipes use, each for all platforms of theirs; all where there are no recipes."""
    for name, kind in NEURON.items():
        if used is None or not used.recipes:
            yield _environment(settings, name, [kind])
        elif name in used.recipes:
            yield replace(_environment(settings, name, used.platforms[name]), needed=True)


def _environment(settings: Settings, name: str, platforms: list[str]) -> Finding:
    toolchain = open_toolchain(name, platforms[0], settings.toolchain(name))
    if not isinstance(toolchain, SdkToolchain):
        raise TypeError(f"{name} is no toolchain of the SDK")
    try:
        installed = toolchain.installed
        faults = toolchain.faults(installed)
        versions = toolchain.found(installed)
        lineage = f", lineage {installed.lineage}" if installed.lineage else ""
        found = f"Python {installed.python}{lineage}: " + ", ".join(f"{name} {version}" for name, version in versions.items())
        if not faults:
            toolchain.preflight()
            faults = list(filter(None, map(toolchain.objection, platforms)))
    except NeuronBuildError as error:
        return Finding(f"toolchain {name}", ok=False, found=error.message, advice=error.hint or "")
    problems = "; ".join(fault.problem for fault in faults)
    return Finding(f"toolchain {name}", ok=not faults, found=problems or found, advice=faults[0].advice if faults else "")


def _troubles(settings: Settings, used: Used) -> Iterator[Finding]:
    """Known trouble of the SDK that concerns the recipes."""
    try:
        found = outlook(used.located, settings)
    except NeuronBuildError as error:
        yield Finding(TROUBLE, ok=False, found=f"it can't be told: {error.message}", advice=error.hint or "")
        return
    for each in found.warnings:
        told = f"{each.recipe} on {each.platform}: {each.trouble.problem} ({each.trouble.source})"
        yield Finding(TROUBLE, ok=False, found=told, advice=each.trouble.advice)
    if found.unplanned:
        yield Finding(TROUBLE, ok=False, found=f"not known of {_some(found.unplanned)}", advice="`neuronbuild plan` says why")
    elif not found.warnings:
        yield Finding(TROUBLE, ok=True, found="none is on record for these recipes")


def _selftest(platforms: tuple[str, ...], *, as_json: bool) -> int:
    settings = settings_for()
    able = [each for each in SELFTEST if settings.interpreters.get(PLATFORMS[each].toolchain)]
    chosen = [each for each in platforms if PLATFORMS[each].is_neuron] or able
    if not chosen:
        hint = "name one in neuronbuild.yaml (toolchains.neuronx.python), or a platform: `--platform inf2`"
        raise UsageError("there is no environment of the Neuron SDK to test", hint=hint)
    assumptions = selftest(settings, chosen)
    if as_json:
        put_json({"version": 1, "assumptions": [asdict(each) for each in assumptions]})
    else:
        put(*map(_line, assumptions))
    return 5 if any(each.state == "refuted" for each in assumptions) else 0


def _line(each: Assumption) -> str:
    detail = f" ({each.detail})" if each.detail else ""
    return f"{each.state:11}{each.platform:6}{each.contract:5}{each.assumed}{detail}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(path: str) -> str:
    while not os.path.exists(path):  # noqa: PTH110 (text up to the root)
        path = os.path.dirname(path) or "."  # noqa: PTH120
    return path
