"""What the toolchains of the Neuron SDK share: an interpreter of their own, and versions that are found or pinned."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.errors import ToolchainError
from neuronbuild.host import neuron_platform
from neuronbuild.platforms import PLATFORMS, generation_of
from neuronbuild.sdks import SDKS, Sdk, minor_of, releases_like
from neuronbuild.toolchain.base import WORKER_SETTINGS, OptionError, Toolchain, WorkerCommand
from neuronbuild.toolchain.flags import refuse_platform
from neuronbuild.toolchain.inductor import CLEARED as OF_TORCH
from neuronbuild.toolchain.interpreter import QUIET, Fault, ask, locate, search_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.toolchain.interpreter import Installed
    from neuronbuild.toolchain.setup import Setup

CLEARED = (*OF_TORCH, "NEURON_", "XLA_", "PJRT_", "LTC_", "PT_XLA_", "BASE_COMPILE_WORK_DIR", "PYTHONHOME")
"""Beginnings of environment variables that would change a compile: they are taken out, since the fingerprint lacks them."""

KEPT = "NEURON_RT_"
"""The runtime's own, which say nothing to a compiler: which cores a check on a device may use."""


class SdkToolchain(Toolchain):
    """A toolchain in an environment of its own, which planning can do without where a release is pinned."""

    attention: ClassVar[str | None] = "eager"
    """The other implementations decide by a mask's values what to leave out, and a trace keeps the example's decision."""

    package: ClassVar[str]
    """The package that an environment has if it is one for this toolchain."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def fingerprint(self, platform: str) -> Fingerprint:
        """Versions as pinned, else as they are in the interpreter."""
        override = PLATFORMS[platform].override
        flags = {"target_override": override} if override else {}
        return Fingerprint(self.name, platform, self.versions(), flags)

    @functools.cached_property
    def installed(self) -> Installed:
        """What the interpreter has.

        Raises:
            ToolchainError: none is known, or it gives no answer.
        """
        return ask(self._interpreter(), self._setup.notes)

    def versions(self) -> dict[str, str]:
        """The versions that decide what comes out.

        Raises:
            ToolchainError: nothing is pinned, and there is no environment that can be asked.
        """
        if self._setup.sdk is not None:
            return {**self.pinned(known_sdk(self._setup.sdk)), **self._setup.versions}
        if self._setup.versions:
            hint = f"pin it with `sdk:` or toolchains.{self.name}.sdk, or leave the versions out: the environment is asked then"
            raise ToolchainError(self.name, f"toolchains.{self.name}.versions correct a release, and none is pinned", hint=hint)
        faults = self.faults(self.installed)
        if faults:
            raise ToolchainError(self.name, self._words(faults), hint=faults[0].advice)
        return self.found(self.installed)

    def preflight(self) -> None:
        """Check the environment, and that it is the one that was planned for."""
        faults = self.faults(self.installed)
        if faults:
            raise ToolchainError(self.name, self._words(faults), hint=faults[0].advice)
        here = {**self.installed.packages, **self.found(self.installed)}
        for package, wanted in self.versions().items():
            found = here.get(package, "missing")
            if wanted not in {found, found.partition("+")[0]}:
                problem = f"{package} is {found} in {self._interpreter()}, and {wanted} is pinned"
                hint = f"install {package}=={wanted} there, or correct `sdk:` or `toolchains.{self.name}.versions`"
                raise ToolchainError(self.name, problem, hint=hint)

    def worker(self) -> WorkerCommand:
        """The interpreter, its compilers first on PATH, with nothing in the environment that the key doesn't hold."""
        place = locate(self._interpreter())
        environment = {key: value for key, value in os.environ.items() if key.startswith(KEPT) or not key.startswith(CLEARED)}
        environment |= {"PATH": search_path(place), **WORKER_SETTINGS, **QUIET}
        return WorkerCommand(place, environment, self.name)

    def objection(self, platform: str) -> Fault | None:
        """Why the compiler, as pinned or found, is too old for a platform, or `None`."""
        compiler = self.versions().get("neuronx-cc")
        try:
            if compiler is not None:
                refuse_platform(platform, minor_of(compiler))
        except OptionError as error:
            return Fault(str(error), "get the newer one, or leave the platform to another machine")
        return None

    def runs_here(self, platform: str) -> bool:
        """Whether this host has a device with cores of the platform's generation."""
        return generation_of(neuron_platform()) == PLATFORMS[platform].generation

    @abstractmethod
    def pinned(self, sdk: Sdk) -> dict[str, str]:
        """The versions that come with a release of the SDK.

        Raises:
            ToolchainError: it has none that can do this.
        """

    @abstractmethod
    def found(self, installed: Installed) -> dict[str, str]:
        """The same versions in an environment that has no faults."""

    @abstractmethod
    def faults(self, installed: Installed) -> list[Fault]:
        """What keeps an environment from compiling."""

    def _interpreter(self) -> str:
        if self._setup.refused is not None:
            problem = f"{self._setup.python} is the workspace's own, and nobody has agreed to run it yet"
            hint = f"look at it, then agree once: `neuronbuild trust {self._setup.refused}`"
            raise ToolchainError(self.name, problem, hint=hint)
        if self._setup.python is not None:
            return self._setup.python
        try:
            importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            hint = (
                f"name the SDK's interpreter in neuronbuild.yaml (toolchains.{self.name}.python); to plan without one, pin a "
                "release: `--sdk 2.31.0`, or `sdk:` in neuronbuild.yaml"
            )
            raise ToolchainError(self.name, "there is no Neuron SDK here", hint=hint) from None
        return sys.executable

    def _words(self, faults: list[Fault]) -> str:
        return f"{self._interpreter()}: {'; '.join(fault.problem for fault in faults)}"


def known_sdk(release: str) -> Sdk:
    """The release of that name.

    Raises:
        ToolchainError: the table has none.
    """
    if release not in SDKS:
        raise ToolchainError(
            "neuron", f"no release {release!r} of the Neuron SDK is known", hint=f"write {releases_like(release)}"
        )
    return SDKS[release]


def pick(versions: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The packages of those names that there are."""
    return {name: versions[name] for name in names if name in versions}
