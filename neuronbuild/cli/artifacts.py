"""Artifacts as people read them: a row in a table, and a summary."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import CompileAction, ConvertAction, document_of
from neuronbuild.cli.output import clean
from neuronbuild.counts import counted, size_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from neuronbuild.artifact.action import Action
    from neuronbuild.artifact.manifest import Manifest

WITH_TOOLCHAIN = (CompileAction, ConvertAction)
"""Actions that say the toolchain and the model."""

COLUMNS = ("key", "model", "task", "shape", "platform", "size", "age")
SHORT = 12
"""Characters of a key that are shown; more are taken, and fewer, where no other key begins so."""


def row_of(manifest: Manifest) -> dict[str, object]:
    """As `cache ls --json` prints it."""
    action = manifest.action
    compiled = action if isinstance(action, CompileAction) else None
    return {
        "key": manifest.key,
        "kind": action.kind,
        "model": model_of(manifest),
        "task": compiled.task if compiled else "-",
        "platform": action.toolchain.platform if isinstance(action, WITH_TOOLCHAIN) else "-",
        "shape": compiled.shape if compiled else "-",
        "size": sum(digest.size for digest in manifest.blobs()),
        "seconds": manifest.provenance.seconds,
        "built_at": manifest.provenance.built_at,
    }


def model_of(manifest: Manifest) -> str:
    """The model that it was built for first, where that was noted, or else the model's type; others may use it too."""
    noted, action = manifest.facts.get("model"), manifest.action
    return str(noted or (action.model.model_type if isinstance(action, WITH_TOOLCHAIN) else "") or "-")


def table(rows: Sequence[dict[str, object]], now: datetime.datetime) -> Iterator[str]:
    """A heading and a line an artifact, in columns."""
    cells = [COLUMNS, *(tuple(map(clean, _cells(row, now))) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for index, line in enumerate(cells):
        told = "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        yield told if index else told.upper()


def _cells(row: dict[str, object], now: datetime.datetime) -> tuple[str, ...]:
    task = row["task"] if row["kind"] == "compile" else row["kind"]
    size = size_text(float(str(row["size"])))
    return (
        str(row["key"])[:SHORT],
        str(row["model"]),
        str(task),
        shape_text(row["shape"]),
        str(row["platform"]),
        size,
        age_text(str(row["built_at"]), now),
    )


def shape_text(shape: object) -> str:
    """`batch_size=1, sequence_length=64`."""
    return ", ".join(f"{axis}={size}" for axis, size in shape.items()) if isinstance(shape, dict) else str(shape)


def age_text(built_at: str, now: datetime.datetime) -> str:
    """How long ago something was built; as it stands where it is no time."""
    try:
        return time_text((now - datetime.datetime.fromisoformat(built_at)).total_seconds())
    except (ValueError, TypeError):
        return built_at


def summary(manifest: Manifest, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    """What there is to know of an artifact, each with its name."""
    row = row_of(manifest)
    yield "key", manifest.key
    yield "kind", str(row["kind"])
    yield "model", str(row["model"])
    if row["kind"] == "compile":
        yield "task", f"{row['task']}, graph {manifest.compiled.graph}"
        yield "shape", shape_text(row["shape"])
    yield "platform", str(row["platform"])
    yield from _toolchain(manifest.action)
    yield "built", f"{manifest.provenance.built_at} ({age_text(manifest.provenance.built_at, now)} ago)"
    yield "", f"by {manifest.provenance.tool}, in {manifest.provenance.seconds:.1f} s"
    sizes = [(entry.path, entry.digest.size) for entry in manifest.files]
    yield "files", f"{counted(len(sizes), 'file')}, {size_text(sum(size for _, size in sizes))}"
    for path, size in sizes:
        yield "", f"{path}  {size_text(size)}"
    for check in manifest.checks:
        worst = max(check.max_abs_error.values(), default=float("nan"))
        yield "check", f"{check.kind}: at most {worst:.2e} off {check.reference}"
    yield "padding", "changes the results" if manifest.padding_matters else "changes nothing"
    for note in manifest.notes:
        yield "note", note


def _toolchain(action: Action) -> Iterable[tuple[str, str]]:
    if not isinstance(action, WITH_TOOLCHAIN):
        return
    yield "toolchain", ", ".join(f"{name} {version}" for name, version in action.toolchain.versions.items())
    options = document_of(action.compiler)
    if options:
        yield "options", ", ".join(f"{name}={value}" for name, value in options.items())
