"""The model card: Hub metadata that validates, the buckets, the checks, and how to load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from neuronbuild.release.layout import TRACED
from neuronbuild.tasks import TASKS

if TYPE_CHECKING:
    from neuronbuild.artifact.release_index import Bucket, ReleaseIndex
    from neuronbuild.artifact.snapshot import Snapshot


def render_card(index: ReleaseIndex, snapshot: Snapshot) -> str:
    """README.md of a release: the same index and snapshot give the same text."""
    package, model_class = _loader(index)
    lines = [
        "---",
        *_metadata(index, snapshot),
        "---",
        "",
        f"# {index.name} for {index.platform}",
        "",
        f"`{snapshot.model}`{_revision(snapshot)}, compiled ahead of time for `{index.platform}`, task `{index.task}`.",
        "",
        "```python",
        f"from {package} import {model_class}",
        "",
        f'model = {model_class}.from_pretrained("path/to/this/folder")',
        "```",
        "",
        "## Compiled shapes",
        "",
        *_table(index.buckets),
        "",
        "Smaller inputs are padded to the cheapest shape that fits, and outputs are cut back."
        + (" Larger batches are split." if index.dynamic_batch_size else ""),
        "",
        "Errors are the largest absolute difference from eager PyTorch with the same weights.",
        "",
    ]
    if index.padding_matters:
        lines += ["Padding changes this model's results: give it inputs of just a compiled shape where that matters.", ""]
    lines += [line for note in index.notes for line in (note, "")]
    if index.omitted_outputs:
        names = ", ".join(index.omitted_outputs)
        lines += [f"Left out, since the checkpoint has no weights for it: {names}.", ""]
    lines += [
        "## Made with",
        "",
        f"{index.tool}; {_toolchain(index)}. What came from what, by SHA-256, is in `neuronbuild.json`.",
        "",
    ]
    return "\n".join(lines)


def _loader(index: ReleaseIndex) -> tuple[str, str]:
    """What loads it: the package, and its class."""
    package, _, model_class = index.loader.rpartition(".")
    return (package, model_class) if package else ("neuronbuild", TASKS[index.task].model_class)


def _metadata(index: ReleaseIndex, snapshot: Snapshot) -> list[str]:
    """YAML front matter (https://huggingface.co/docs/hub/model-cards#model-card-metadata); strings quoted as JSON is YAML."""
    lines = ["library_name: neuronbuild", f"pipeline_tag: {TASKS[index.task].pipeline_tag}"]
    if snapshot.revision is not None:
        lines.append(f"base_model: {json.dumps(snapshot.model)}")
    if snapshot.license:
        lines.append(f"license: {json.dumps(snapshot.license)}")
    tags = ["neuronbuild", "ahead-of-time", index.platform]
    return [*lines, "tags:", *(f"- {tag}" for tag in tags)]


def _table(buckets: tuple[Bucket, ...]) -> list[str]:
    axes = list(dict.fromkeys(axis for bucket in buckets for axis in bucket.shape))
    folders = any(bucket.file == f"{bucket.folder}/{TRACED}" for bucket in buckets)
    head, ruler = ("| folder", "| --- ") if folders else ("", "")
    rows = [f"{head}| graph | {' | '.join(axes)} | error |", f"{ruler}| --- |" + " ---: |" * (len(axes) + 1)]
    for bucket in buckets:
        worst = max((value for check in bucket.checks for value in check.max_abs_error.values()), default=None)
        shown = "not measured" if worst is None else f"{worst:.1e}"
        place = f"| `{bucket.folder}` " if folders else ""
        rows.append(f"{place}| {bucket.graph} | {' | '.join(str(bucket.shape.get(axis, '')) for axis in axes)} | {shown} |")
    return rows


def _revision(snapshot: Snapshot) -> str:
    return f" at `{snapshot.revision}`" if snapshot.revision else ""


def _toolchain(index: ReleaseIndex) -> str:
    versions = index.toolchain.get("versions")
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) if isinstance(versions, dict) else ""
    return f"toolchain {index.toolchain.get('name')} ({listed})"
