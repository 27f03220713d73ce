"""`plan` of 10,000 misses: what their explanations cost against a store of 1,000 artifacts, and against an empty one.

The artifacts are stand-ins, recorded under the real keys of a real plan at another optimisation level, so that every miss has a
nearest artifact; most differ from theirs in a size as well. `first_s` is the plan that reads the manifests; it is run once, and
the later ones go by what it remembered.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from common import BERT, neuronbuild, paired, report, run

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.known_actions import FILE
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.store.provenance import provenance

KNOWN, MISSES = 1_000, 10_000
LIMIT = 2.0
"""Seconds that all explanations may take."""


def write_grid(file: Path, model: Path, targets: int, optlevel: int) -> None:
    file.parent.mkdir()
    shapes = {"batch_size": list(range(1, 11)), "sequence_length": list(range(1, targets // 10 + 1))}
    recipe = {"model": str(model), "task": "fill-mask", "compiler": {"optlevel": optlevel}, "shapes": shapes}
    file.write_text(json.dumps(recipe))


def fill(cache: Path, recipes: Path) -> None:
    """A store that has every target of some recipes."""
    context = Context.open(replace(Settings(), cache=str(cache)))
    for each in prepare(load_recipes([recipes]), context):
        for _, action in each.steps:
            digest = context.store.add_bytes(action.key.encode())
            context.store.record(Manifest(action.key, action.record, (FileEntry("model.pt2", digest),), provenance(0.0)))


def main() -> None:
    """One line."""
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        (root / "model").mkdir()
        (root / "model/config.json").write_text(json.dumps(BERT))
        write_grid(root / "known/grid.yaml", root / "model", KNOWN, 1)
        write_grid(root / "recipes/grid.yaml", root / "model", MISSES, 2)
        fill(root / "cache", root / "known")
        explained = neuronbuild("plan", "--json", "--cache", str(root / "cache"))
        alone = neuronbuild("plan", "--json", "--cache", str(root / "empty"))
        first = run(explained, root)
        with_all, without, ratio = paired(explained, alone, root)
        size = (root / "cache" / FILE).stat().st_size
        figures = {"explained_s": with_all, "alone_s": without, "first_s": first, "extra_s": with_all - without}
        report(f"explain-{MISSES}", explained_to_alone=ratio, **figures, index_bytes=size)
        if with_all - without > LIMIT:
            sys.exit(f"{MISSES:,} misses take {with_all - without:.1f} s to explain, at most {LIMIT} s are allowed")


if __name__ == "__main__":
    main()
