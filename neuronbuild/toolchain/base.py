"""The seam: a compiler, as the planner and the builder see it. It sees targets and folders, never a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction, CompilerPart, ModelPart
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.recipe.target import Options


WORKER_SETTINGS = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "passive"}
"""What the environment of every worker says: no downloads, no threads of tokenizers, and OpenMP's threads sleep when idle.

By default OpenMP's threads spin while they wait for each other. Beside compilers and other workers that triples the processor
time of a job that runs a small model a dozen times. No result depends on it.
"""


class OptionError(ValueError):
    """An option that this compiler can't serve; `keys` lead to it in a recipe."""

    def __init__(self, keys: tuple[str, ...], message: str) -> None:
        self.keys = keys
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start this toolchain's worker: the interpreter, and the whole environment that it gets."""

    interpreter: str
    environment: Mapping[str, str]
    session: str = field(default="")
    """Workers of one session may be handed each other's jobs."""

    own_process: tuple[str, ...] = ()
    """Kinds of jobs that get a process which does no other job."""


class Toolchain(ABC):
    """One way to compile."""

    name: ClassVar[str]

    attention: ClassVar[str | None] = None
    """The implementation of attention that graphs are traced with, where it isn't the model family's own."""

    @abstractmethod
    def fingerprint(self, platform: str) -> Fingerprint:
        """What identifies this compiler for a platform. Imports no torch and compiles nothing.

        Raises:
            ToolchainError: it isn't installed, or can't serve this platform here.
        """

    @abstractmethod
    def options(self, options: Options, model: ModelPart) -> CompilerPart:
        """What an action says of the compiler's options: all that decides the bytes, with defaults written out.

        `model` is the model's part of the action.

        Raises:
            OptionError: this compiler can't do what is asked.
        """

    def misfit(self, options: Options, shape: Shape) -> tuple[str, str] | None:  # noqa: ARG002
        """The axis and the reason why this compiler can't do a shape with these options, though the model can be compiled."""
        return None

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
    def fault(self, folder: Path, files: list[str], action: CompileAction) -> str | None:
        """What is wrong with the files that a compile of an action left, or `None`: an empty file is not a result."""

    @abstractmethod
    def runs_here(self, platform: str) -> bool:
        """Whether this host can run what is compiled for a platform, so that results can be checked."""
