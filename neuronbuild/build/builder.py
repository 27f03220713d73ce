"""One step: lease, look again, compile, validate, store, record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.manifest import Check, FileEntry, Manifest
from neuronbuild.artifact.signature import ConstantSpec, Signature, TensorSpec
from neuronbuild.build.report import Outcome, StepError
from neuronbuild.store.lease import hold_lease
from neuronbuild.store.provenance import provenance
from neuronbuild.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from neuronbuild.build.process import Answer
    from neuronbuild.build.workbench import Workbench
    from neuronbuild.plan.planner import Step
    from neuronbuild.store.cas import CasStore
    from neuronbuild.tasks import Task
    from neuronbuild.toolchain.base import Toolchain


def build_step(
    step: Step,
    toolchain: Toolchain,
    store: CasStore,
    bench: Workbench,
    logs: Path,
    *,
    waiting: Callable[[], bool],
    compiling: Callable[[], None],
) -> Outcome:
    """Build one miss, unless somebody else has built it meanwhile.

    The log of a failure is kept in `logs`, under the action's key.

    Raises:
        StoreError: the store can't be written. A failed compile is an outcome, and never recorded.
    """
    with hold_lease(store, step.action.key, waiting) as held:
        if not held:
            return Outcome(step, "skipped")
        manifest = store.lookup(step.action.key)
        if manifest is not None and store.lack(manifest) is None:
            return Outcome(step, "reused", manifest=manifest)
        compiling()
        with bench.folder() as folder:
            answer = bench.run(toolchain, {"kind": "compile", "action": step.action.document}, folder)
            error = answer.error or _fault(toolchain, answer, folder)
            if error is not None:
                return Outcome(step, "failed", answer.seconds, replace(error, log=_keep_log(logs, step, answer)))
            manifest = _store(step, answer, store, folder)
            return Outcome(step, "built", answer.seconds, manifest=manifest)


def _keep_log(logs: Path, step: Step, answer: Answer) -> str | None:
    path = logs / f"{step.action.key}.log"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.log)
    except OSError:
        return None  # a full disk must not hide the failure itself
    return str(path)


def _fault(toolchain: Toolchain, answer: Answer, folder: Path) -> StepError | None:
    fault = toolchain.fault(folder, _files(answer))
    return StepError("output", fault) if fault else None


def _files(answer: Answer) -> list[str]:
    return decode_part(list[str], answer.result.get("files"))


def _store(step: Step, answer: Answer, store: CasStore, folder: Path) -> Manifest:
    files = tuple(FileEntry(name, store.add(folder / name)) for name in _files(answer))
    manifest = Manifest(
        key=step.action.key,
        action=step.action.document,
        files=files,
        signature=_signature(answer.result["signature"], TASKS[step.target.task], step.target.shape.as_dict()),
        checks=decode_part(tuple[Check, ...], answer.result["checks"]),
        facts=decode_part(dict[str, object], answer.result.get("facts", {})),
        provenance=provenance(answer.seconds),
        log=store.add_bytes(answer.log),
    )
    store.record(manifest)
    return manifest


def _signature(said: object, task: Task, sizes: dict[str, int]) -> Signature:
    """The worker's word on tensors, with the axis of each dimension from the task table."""
    parts = decode_part(dict[str, list[dict[str, object]]], said)
    inputs = tuple(_tensor(entry, task.input_axes, sizes) for entry in parts["inputs"])
    outputs = tuple(_tensor(entry, task.outputs[str(entry["name"])], sizes) for entry in parts["outputs"])
    return Signature(inputs, outputs, decode_part(tuple[ConstantSpec, ...], parts["constants"]))


def _tensor(entry: dict[str, object], axes: tuple[str | None, ...], sizes: dict[str, int]) -> TensorSpec:
    spec = decode_part(TensorSpec, {**entry, "axes": list(axes)})
    for axis, size in zip(spec.axes, spec.shape, strict=True):
        if axis is not None and sizes[axis] != size:
            raise ValueError(f"{spec.name}: axis {axis} is {size} in the compiled graph, {sizes[axis]} in its shape")
    return spec
