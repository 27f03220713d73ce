"""Warm `plan` and no-op `apply` of 1,000 and 10,000 targets, against doit's no-op on as many tasks and against bare imports.

The store is filled with stand-in artifacts, recorded under the real keys of the real plan: nothing here is compiled, since
only the work of finding that nothing is to do is measured. doit (of the `dev` extra): each task has one file in and one out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from common import BERT, neuronbuild, paired, report, run

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.api.requests import release_request
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.release_index import FILENAME, Bucket, ReleasedFile, ReleaseIndex
from neuronbuild.store.provenance import provenance

FLOOR = [sys.executable, "-c", "import pydantic, yaml, click"]


def fill(folder: Path, targets: int) -> None:
    """A recipe of so many targets, a store that has them all, and a release folder that is up to date."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(BERT))
    lengths = list(range(1, targets // 10 + 1))
    recipe = {
        "model": str(model),
        "task": "fill-mask",
        "shapes": {"batch_size": list(range(1, 11)), "sequence_length": lengths},
    }
    (folder / "recipes").mkdir()
    (folder / "recipes/grid.yaml").write_text(json.dumps(recipe))
    settings = replace(Settings(), cache=str(folder / "cache"), output=folder / "releases")
    context = Context.open(settings)
    (each,) = prepare(load_recipes([folder / "recipes"]), context)
    place = folder / "releases/grid-cpu"
    place.mkdir(parents=True)
    buckets, files = [], []
    for target, action in each.steps:
        digest = context.store.add_bytes(action.key.encode())
        context.store.record(Manifest(action.key, action.record, (FileEntry("model.pt2", digest),), provenance(0.0)))
        path = f"buckets/forward-{target.shape.label}/model.pt2"
        (place / path).parent.mkdir(parents=True)
        (place / path).write_bytes(action.key.encode())
        buckets.append(Bucket("forward", target.shape.as_dict(), path.rpartition("/")[0], action.key))
        files.append(ReleasedFile(path, digest.sha256, digest.size))
    request = release_request(each, settings, checked=True)
    index = ReleaseIndex(
        name="grid",
        task="fill-mask",
        platform="cpu",
        model=str(model),
        revision=None,
        snapshot="",
        stamp=request.stamp,
        tool="",
        dynamic_batch_size=False,
        buckets=tuple(buckets),
        bindings={},
        files=tuple(files),
    )
    (place / FILENAME).write_bytes(encode(index))


def fill_doit(folder: Path, tasks: int) -> None:
    """As many doit tasks, done once."""
    folder.mkdir()
    for number in range(tasks):
        (folder / f"{number}.in").write_text(str(number))
    (folder / "dodo.py").write_text(
        f"def task_copy():\n    for n in range({tasks}):\n"
        "        yield {'name': str(n), 'actions': [f'cp {n}.in {n}.out'], 'file_dep': [f'{n}.in'], 'targets': [f'{n}.out']}\n"
    )
    run([sys.executable, "-m", "doit"], folder)


def main() -> None:
    """One line for each size."""
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        for targets in (1_000, 10_000):
            folder = root / str(targets)
            fill(folder, targets)
            figures: dict[str, object] = {}
            plan, floor, to_floor = paired(neuronbuild("plan"), FLOOR, folder)
            place = root / f"doit{targets}"
            fill_doit(place, targets)
            doit = [sys.executable, "-m", "doit", "-f", str(place / "dodo.py"), "-d", str(place)]
            figures["plan_to_doit"] = paired(neuronbuild("plan"), doit, folder)[2]
            figures["apply_to_doit"] = paired(neuronbuild("apply"), doit, folder)[2]
            apply = paired(neuronbuild("apply"), FLOOR, folder)[0]
            report(f"noop-{targets}", **figures, plan_to_imports=to_floor, plan_s=plan, apply_s=apply, imports_s=floor)


if __name__ == "__main__":
    main()
