"""One step: lease, look again, compile, validate, store, record."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.manifest import Check, Manifest
from neuronbuild.artifact.signature import ConstantSpec, Signature, TensorSpec
from neuronbuild.build.model_files import linked_model
from neuronbuild.build.process import STOPPED
from neuronbuild.build.report import Outcome, StepError
from neuronbuild.build.scratch import ScratchError, blame_disk
from neuronbuild.errors import NewerRecordError, SourceError
from neuronbuild.store.provenance import provenance
from neuronbuild.tasks import FAMILIES, TASKS, all_sizes, graph_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.build.process import Answer
    from neuronbuild.build.workbench import Workbench
    from neuronbuild.digest import ActionKey
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.plan.planner import Step
    from neuronbuild.store.base import ArtifactReader, ArtifactStore, BuildStore
    from neuronbuild.store.lease import Lease
    from neuronbuild.tasks import Axes, Graph, Input
    from neuronbuild.toolchain.base import Toolchain

    Told = tuple[Callable[[], None], Callable[[], None]]

WORK = "work"
"""A folder that a worker may have its compiler work in. It is kept when the compile fails."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where steps are built: the store that gets artifacts, the workbench, and a folder for the logs of failures, by key.

    `models` are those whose weights are compiled in, by action.
    """

    store: BuildStore
    bench: Workbench
    logs: Path
    models: Mapping[ActionKey, Model] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Result:
    """What a worker says of its compile, understood."""

    files: list[str]
    signature: Signature
    checks: tuple[Check, ...]
    facts: dict[str, object]


def build_step(
    step: Step,
    toolchain: Toolchain,
    place: Place,
    *,
    waiting: Callable[[str], bool],
    compiling: Callable[[], None],
    storing: Callable[[], None] = lambda: None,
) -> Outcome:
    """Build one miss, unless somebody else has built it meanwhile.

    `waiting` is asked while another builder, whose name it gets, has the lease; `compiling` is told when the compile starts,
    `storing` when its results are about to be stored.

    Raises:
        StoreError: the store can't be written. A failed compile is an outcome, and never recorded.
    """
    while True:
        with place.store.acquire_lease(step.action.key, waiting) as lease:
            outcome = (
                Outcome(step, "skipped") if lease is None else _build_held(step, toolchain, place, lease, (compiling, storing))
            )
        if outcome is not None:
            return outcome


def _build_held(step: Step, toolchain: Toolchain, place: Place, lease: Lease, told: Told) -> Outcome | None:
    """Build under a lease; `None` if it was lost meanwhile: what its new holder makes counts, and this result doesn't."""
    store = place.store
    known = _look(step, store)
    if known is not None:
        return known
    compiling, storing = told
    compiling()
    try:
        with place.bench.folder() as folder:
            with _job(step, place, folder) as job:
                answer = place.bench.run(toolchain, job, folder)
            if answer.error == STOPPED:
                return Outcome(step, "skipped")
            result = _judge(step, toolchain, answer, folder)
            if isinstance(result, StepError):
                if answer.error is None:  # a compiler may take a disk that was full for a success
                    result = blame_disk(result, answer.log, folder, toolchain.worker().environment)
                log = _keep_log(place.logs, step, answer, folder)
                return Outcome(step, "failed", answer.seconds, replace(_with_known(result, step), log=log))
            if not lease.renew():
                return None
            storing()
            return Outcome(step, "built", answer.seconds, manifest=_store(step, answer, result, store, folder))
    except (ScratchError, SourceError) as error:  # of this step alone, or of its model
        return Outcome(step, "failed", error=_step_error(error))


def _look(step: Step, store: ArtifactReader) -> Outcome | None:
    """What a step comes to without a compile: somebody has built it, or a newer version has recorded it."""
    try:
        manifest = store.lookup(step.action.key)
    except NewerRecordError as error:
        return Outcome(step, "failed", error=_step_error(error))
    if manifest is None or store.missing(manifest) is not None:
        return None
    return Outcome(step, "reused", manifest=manifest)


def _step_error(error: NeuronBuildError) -> StepError:
    return StepError("system", "; ".join(filter(None, (error.message, error.hint))))


@contextlib.contextmanager
def _job(step: Step, place: Place, folder: Path) -> Iterator[dict[str, object]]:
    """The action, and the folder of the model whose weights are compiled in, if they are.

    Raises:
        SourceError: the model has changed since it was planned, or by the time that it was compiled.
    """
    job: dict[str, object] = {"kind": "compile", "action": step.action.document}
    model = place.models.get(step.action.key)
    if model is None:
        yield job
        return
    with linked_model(model, folder / "model"):
        yield {**job, "model": str(folder / "model")}


def _keep_log(logs: Path, step: Step, answer: Answer, folder: Path) -> str | None:
    """The log of a failure, and beside it what the compiler left in its work folder, if it has one."""
    path = logs / f"{step.action.key}.log"
    kept = path.with_suffix(".work")
    try:
        logs.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.log)
        shutil.rmtree(kept, ignore_errors=True)
        if (folder / WORK).is_dir():
            shutil.copytree(folder / WORK, kept)
    except OSError:
        return None  # a full disk must not hide the failure itself
    return str(path)


def _judge(step: Step, toolchain: Toolchain, answer: Answer, folder: Path) -> _Result | StepError:
    """What a compile made, if it is fit to be stored."""
    if answer.error is not None:
        return answer.error
    try:
        result = _read(step, answer.result)
    except (ValueError, KeyError, TypeError) as error:
        return StepError("internal", f"the compiled graph can't be used: {type(error).__name__}: {error}")
    fault = toolchain.fault(folder, result.files, step.action.record)
    return StepError("output", fault) if fault else result


def _with_known(error: StepError, step: Step) -> StepError:
    """A failure that was to be expected, with what is known of it; any other as it is."""
    trouble = step.trouble
    if trouble is None or error.kind != trouble.outcome:
        return error
    message = f"{error.message}, which is known: {trouble.problem} ({trouble.source}); {trouble.advice}"
    return replace(error, message=message, foretold=True)


def _read(step: Step, said: dict[str, object]) -> _Result:
    return _Result(
        files=decode_part(list[str], said["files"]),
        signature=_signature(said["signature"], step),
        checks=decode_part(tuple[Check, ...], said["checks"]),
        facts=decode_part(dict[str, object], said.get("facts", {})),
    )


def _store(step: Step, answer: Answer, result: _Result, store: ArtifactStore, folder: Path) -> Manifest:
    manifest = Manifest(
        key=step.action.key,
        action=step.action.record,
        files=tuple(store.add(name, folder / name) for name in result.files),
        signature=result.signature,
        checks=result.checks,
        facts={**result.facts, "model": step.target.model_name},
        provenance=provenance(answer.seconds),
        log=store.add_bytes(answer.log),
    )
    return store.record(manifest)


def _signature(said: object, step: Step) -> Signature:
    """The worker's word on tensors, with the axis of each dimension from the task table."""
    parts = decode_part(dict[str, list[dict[str, object]]], said)
    graph, model = TASKS[step.target.task].graph(step.target.graph), step.action.record.model
    sizes = all_sizes(step.target.shape.as_dict(), model.config)
    axes = {entry.name: entry.axes for entry in _inputs(graph, model.model_type)}
    return Signature(
        inputs=tuple(_tensor(entry, axes[str(entry["name"])], sizes) for entry in parts["inputs"]),
        outputs=tuple(_tensor(entry, graph.axes_of(str(entry["name"])), sizes) for entry in parts["outputs"]),
        constants=decode_part(tuple[ConstantSpec, ...], parts["constants"]),
        states=tuple(_tensor(entry, graph.axes_of(str(entry["name"])), sizes) for entry in parts.get("states", ())),
    )


def _inputs(graph: Graph, model_type: str) -> tuple[Input, ...]:
    return (*graph_inputs(graph, FAMILIES[model_type]), *graph.optional) if graph.inputs else ()


def _tensor(entry: dict[str, object], axes: Axes, sizes: dict[str, int]) -> TensorSpec:
    """`axes` of a tensor are those that a shape has sizes for: numbers and sizes from the config are as they are."""
    spec = decode_part(TensorSpec, {**entry, "axes": [axis if axis in sizes else None for axis in axes]})
    for axis, size in zip(spec.axes, spec.shape, strict=True):
        if axis is not None and sizes[axis] != size:
            raise ValueError(f"{spec.name}: axis {axis} is {size} in the compiled graph, {sizes[axis]} in its shape")
    return spec
