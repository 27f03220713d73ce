"""A workspace whose recipe can be planned without weights to read, and a store that has what it comes to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.store.provenance import provenance
from tests.flows.test_untrusted_input import CONFIG, WEIGHTS


def make_workspace(folder: Path, recipe: str, **config: object) -> Path:
    """A model, and a recipe for it as text; gives the recipe's file."""
    (folder / "model").mkdir(parents=True)
    (folder / "model/config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "model/model.safetensors").write_bytes(WEIGHTS)
    (folder / "recipes").mkdir()
    file = folder / "recipes/one.yaml"
    file.write_text(recipe)
    return file


def record_all(recipe: Path, cache: Path) -> list[str]:
    """Record a stand-in for each target of a recipe, and give their keys."""
    context = Context.open(replace(Settings(), cache=str(cache)))
    steps = [step for each in prepare(load_recipes([recipe]), context) for step in each.steps]
    for _, action in steps:
        digest = context.store.add_bytes(action.key.encode())
        context.store.record(Manifest(action.key, action.record, (FileEntry("model.pt2", digest),), provenance(0.0)))
    return [action.key for _, action in steps]
