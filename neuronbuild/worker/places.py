"""Where in a model something happens while it is lowered: in which of its modules, and in which line of whose code."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator

import torch
import torch_xla.debug.metrics

from .contract import FallenOperator

FALLEN = "aten::"
"""How names of counters begin of operators that torch-xla has no lowering for: they were computed on the host."""

OF_OTHERS = tuple(os.path.dirname(os.path.abspath(place)) + os.sep for place in (torch.__file__, __file__))
"""Folders whose lines tell nothing about a model: torch's, and this one."""


class Watch:
    """The modules that are running, outermost first, and the operators that fell out of the graph, by module."""

    def __init__(self) -> None:
        self.running = [""]
        self._found: dict[str, str] = {}
        self._seen = _counts()

    def enter(self, name: str) -> None:
        """A module begins."""
        self._note()
        self.running.append(name)

    def leave(self) -> None:
        """The module that began last ends."""
        self._note()
        self.running.pop()

    def _note(self) -> None:
        counts = _counts()
        for operator, count in counts.items():
            if count > self._seen.get(operator, 0):
                self._found.setdefault(operator, self.running[-1])
        self._seen = counts

    def fallen(self) -> list[FallenOperator]:
        """Operators that fell out of the graph, each with the first module in which it did."""
        self._note()
        return [{"operator": operator, "module": module} for operator, module in sorted(self._found.items())]

    def place(self, error: Exception) -> str:
        """The module that an error came out of and the line of the model's code, as the end of a sentence."""
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(OF_OTHERS)]
        module = f", in {self.running[-1]}" if self.running[-1] else ""
        return module + (f" ({'/'.join(lines[-1].filename.split(os.sep)[-3:])}:{lines[-1].lineno})" if lines else "")


@contextlib.contextmanager
def watch(model: torch.nn.Module) -> Iterator[Watch]:
    """A `Watch` over a model's modules while the context lasts."""
    seen, handles = Watch(), []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: seen.enter(name)))
        handles.append(module.register_forward_hook(lambda *_: seen.leave()))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _counts() -> dict[str, int]:
    names = torch_xla.debug.metrics.counter_names()
    return {name: torch_xla.debug.metrics.counter_value(name) for name in names if name.startswith(FALLEN)}
