"""What the module of a toolchain has, as types: `compile_action`, and what runs the compiled graph where it can be run."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Protocol

from .contract import Action, CompileJob, CompileResult

if typing.TYPE_CHECKING:  # the registry imports this module where there may be no torch
    import torch

Tensors = Sequence["torch.Tensor"]

Compiled = typing.Callable[[Tensors], Tensors]
"""A compiled graph: from inputs and states to outputs. States are updated in place."""


class Compiler(Protocol):
    """The module of any toolchain."""

    def compile_action(self, job: CompileJob) -> CompileResult:
        """Compile an action, and write its files into the job's folder."""


@typing.runtime_checkable
class Toolchain(Compiler, Protocol):
    """The module of a toolchain whose graphs can be run by the worker."""

    def open_compiled(self, path: str, constants: dict[str, torch.Tensor]) -> Compiled:
        """The compiled graph in a file, over constants."""

    def precision(self, action: Action) -> torch.dtype:
        """The lowest precision that the graph computes in."""
