"""What optimum-neuron's exporter left, looked at as its loader would: every part there, whole, and of what was asked for.

https://huggingface.co/docs/optimum-neuron: a decoder is one folder with a strict config; everything else has a folder a part.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from neuronbuild.neff import NeffError, find_neff
from neuronbuild.tasks import PIPELINES, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction

ENCODER_AND_DECODER = ("encoder", "decoder")
FILE, SHARDED = "model.neuron", "model.pt"
SUCCESS = "optimum-neuron reported success, but"

ROWS = "vae_encoder"
"""The part of a pipeline whose sizes are those of the images, as many as come of a batch."""


def exporter_fault(folder: Path, found: set[str], action: CompileAction) -> str | None:
    """What is wrong with the exporter's folder, whose files are `found`, or `None`."""
    faults = _decoder_faults if "neuron_config.json" in found else _part_faults
    try:
        return next(faults(folder, found, action), None)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        return f"what optimum-neuron left can't be read: {error}"


def _part_faults(folder: Path, found: set[str], action: CompileAction) -> Iterator[str]:
    """Of parts in folders of their own: a graph and its config each, and for several cores what each of them holds."""
    model, cores = action.model, action.compiler.num_cores or 1
    of_pipeline = model.model_type in PIPELINES
    parts = parts_of(model.config, model.controlnets or 0) if of_pipeline else ENCODER_AND_DECODER
    for part in parts:
        graphs = _graphs(part, found, cores)
        if not {*graphs, f"{part}/config.json"} <= found:
            yield f"{SUCCESS} left no usable {part}/{FILE}"
        apart = any(name.startswith(f"{part}/weights/") for name in found)
        for name in graphs:
            yield from _graph_faults(folder / name, name, traced=not apart)
        lacking = [name for name in _shards(f"{part}/weights", cores) if apart and name not in found]
        yield from (f"optimum-neuron left no {name}" for name in lacking[:1])
        block = json.loads((folder / part / "config.json").read_bytes())["neuron"]
        asked = (_image_sizes(action) if part == ROWS else {}) if of_pipeline else action.shape
        yield from _differences({f"static_{axis}": size for axis, size in asked.items()}, block, only_stated=not of_pipeline)


def _graphs(part: str, found: set[str], cores: int) -> list[str]:
    """The files of a part's graph: one, or a folder with one for each core."""
    of_ranks = [f"{part}/{FILE}/tp_{rank}.pt" for rank in range(cores)]
    return of_ranks if cores > 1 and f"{part}/{FILE}" not in found else [f"{part}/{FILE}"]


def _graph_faults(path: Path, name: str, *, traced: bool) -> Iterator[str]:
    """How a graph with its weights apart holds its NEFF is in no document: there, the archive alone is looked at."""
    if not zipfile.is_zipfile(path):
        yield f"{SUCCESS} {name} is a damaged archive: it is cut short"
    try:
        if traced:
            find_neff(path)
    except NeffError as error:
        yield f"{SUCCESS} {name} {error}"


def _image_sizes(action: CompileAction) -> dict[str, int]:
    shape = action.shape
    batch = shape["batch_size"] * shape["num_images_per_prompt"]
    return {"batch_size": batch, "height": shape["height"], "width": shape["width"]}


def _decoder_faults(folder: Path, found: set[str], action: CompileAction) -> Iterator[str]:
    if SHARDED not in found:
        yield f"{SUCCESS} left no usable {SHARDED}"
    yield from _graph_faults(folder / SHARDED, SHARDED, traced=False)
    cores = action.compiler.num_cores or 1
    asked = {
        **action.shape,
        "tp_degree": cores,
        "target": action.toolchain.flags["target_override"],
        "torch_dtype": action.dtype,
    }
    yield from _differences(asked, json.loads((folder / "neuron_config.json").read_bytes()))
    lacking = [name for name in _shards("checkpoint/weights", cores) if name not in found]
    yield from (f"optimum-neuron left no {name}: the folder would need the checkpoint again" for name in lacking[:1])


def _differences(asked: Mapping[str, object], said: Mapping[str, object], *, only_stated: bool = False) -> Iterator[str]:
    wrong = [
        f"{name} {said.get(name)} instead of {value}"
        for name, value in asked.items()
        if said.get(name) != value and (name in said or not only_stated)
    ]
    if wrong:
        yield f"optimum-neuron compiled something else: {', '.join(wrong)}"


def _shards(folder: str, cores: int) -> list[str]:
    return [f"{folder}/tp{rank}_sharded_checkpoint.safetensors" for rank in range(cores)]
