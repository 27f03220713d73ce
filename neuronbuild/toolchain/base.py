"""The seam: a compiler, as the planner and the builder see it. It sees targets and folders, never a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start this toolchain's worker: the interpreter, and the whole environment that it gets."""

    interpreter: str
    environment: Mapping[str, str]
    session: str = field(default="")
    """Workers of one session may be handed each other's jobs."""


class Toolchain(ABC):
    """One way to compile."""

    name: ClassVar[str]

    @abstractmethod
    def fingerprint(self, platform: str) -> Fingerprint:
        """What identifies this compiler for a platform. Imports no torch and compiles nothing.

        Raises:
            ToolchainError: it isn't installed, or can't serve this platform here.
        """

    @abstractmethod
    def preflight(self) -> None:
        """Make sure that a compile can start.

        Raises:
            ToolchainError: something is missing; the hint says how to get it.
        """

    @abstractmethod
    def worker(self) -> WorkerCommand:
        """How to start a worker."""

    @abstractmethod
    def fault(self, folder: Path, files: list[str]) -> str | None:
        """What is wrong with the files that a compile left, or `None`: an empty file is not a result."""
