"""From the worker's word on a lowered graph to a record, and the memory of such records."""

from __future__ import annotations

import dataclasses
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from pydantic import TypeAdapter, ValidationError

from neuronbuild.artifact.lowering import Lowering
from neuronbuild.build.process import WORKER
from neuronbuild.counts import counted
from neuronbuild.digest import digest_bytes, digest_json
from neuronbuild.memo import Memo
from neuronbuild.platforms import core_memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction

FILE = "lowerings.json"
"""In the user's cache folder."""

GIB = 1 << 30
_ADAPTER: TypeAdapter[Lowering] = TypeAdapter(Lowering)


@final
class Lowerings:
    """What came of lowering actions, by key, for as long as the worker that lowered them stays as it is."""

    def __init__(self, scratch: Path) -> None:
        self._memo = Memo(scratch / FILE, lambda entry: isinstance(entry, list) and len(entry) == len(("worker", "record")))
        self._lock = threading.Lock()

    @cached_property
    def _worker(self) -> str:
        return _worker_digest()

    def get(self, key: str) -> Lowering | None:
        """The record of an action, or `None`."""
        found = self._memo.get(key)
        if found is None or found[0] != self._worker:
            return None
        try:
            return _ADAPTER.validate_python(found[1])
        except ValidationError:
            return None

    def put(self, key: str, record: Lowering) -> None:
        """Remember a record, and write it. Several threads may."""
        with self._lock:
            self._memo.put(key, [self._worker, dataclasses.asdict(record)])
            self._memo.save()


def _worker_digest() -> str:
    """Of the code that makes the graphs: what an older version of it lowered says nothing of this one."""
    return digest_json({file.name: digest_bytes(file.read_bytes()).sha256 for file in sorted(WORKER.glob("*.py"))}).sha256


def read_lowering(said: Mapping[str, Any], action: CompileAction) -> Lowering:
    """The record of what the worker says of an action's graph."""
    check = said["check"]
    sizes = {name: int(said[name]) for name in ("hlo_bytes", "parameters", "weight_bytes", "cache_bytes")}
    inline = not action.is_separate
    baked = [_baked(each) for each in said["baked"] if each["from"] == "example" or not inline]
    problems = [*baked, *(f"operator {each['operator']} has no lowering{_in(each['module'])}" for each in said["fallen"])]
    problems += [said["differs"]] if said["differs"] else []
    problems += [] if said["same"] else ["two examples give two graphs: values of the inputs shape it"]
    problems += _memory_problems(sizes["weight_bytes"] + sizes["cache_bytes"], action)
    notes = [_baked(each) for each in said["baked"] if each["from"] == "weights" and inline]
    notes += [f"{counted(said['wide'], 'constant')} of 64 bits"] if said["wide"] else []
    return Lowering(
        problems=tuple(problems),
        notes=tuple(notes),
        operators=said["operators"],
        hlo_digest=said["digest"],
        difference=max((error / check["scale"][name] for name, error in check["max_abs_error"].items()), default=None),
        **sizes,
    )


def _baked(each: Mapping[str, Any]) -> str:
    source = "an example's values" if each["from"] == "example" else "weights"
    return f"a tensor that follows from {source} is a constant of the graph ({each['dtype']} {tuple(each['shape'])})"


def _in(module: str) -> str:
    return f", in {module}" if module else ""


def _memory_problems(needed: int, action: CompileAction) -> list[str]:
    platform = action.toolchain.platform
    there = core_memory(platform, action.compiler.logical_cores)
    if needed <= there:
        return []
    return [f"weights and cache take {needed / GIB:.1f} GiB, and a core of {platform} has {there / GIB:.0f} GiB"]
