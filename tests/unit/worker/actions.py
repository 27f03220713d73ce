"""Actions as the worker gets them, from what `built` compiled, and smaller ones made here."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.conftest import SIZES
from tests.flows.stores import manifest

TASKS = {
    "feature-extraction": ("AutoModel", ["last_hidden_state", "pooler_output"]),
    "fill-mask": ("AutoModelForMaskedLM", ["logits"]),
    "text-classification": ("AutoModelForSequenceClassification", ["logits"]),
}


def manifests(built) -> dict[str, dict]:
    """What each recipe's first step came to, by recipe."""
    steps = {step["recipe"]: step["key"] for step in reversed(built.report["steps"])}
    return {recipe: manifest(built.cache, key) for recipe, key in steps.items()}


def blob(built, made: dict, path: str) -> Path:
    """Where one file of an artifact lies."""
    sha256 = next(file["digest"]["sha256"] for file in made["files"] if file["path"] == path)
    return built.cache / f"v1/blobs/sha256/{sha256[:2]}/{sha256}"


def make_action(task: str = "text-classification", batch: int = 2, length: int = 8, **compiler) -> dict:
    """An action's document, as far as the worker's own modules read it."""
    auto_class, outputs = TASKS[task]
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    return copy.deepcopy(
        {
            "model": {
                "auto_class": auto_class,
                "outputs": outputs,
                "config": {"model_type": "bert", "num_labels": 3, "type_vocab_size": 2, **SIZES},
                "attention": "sdpa",
            },
            "inputs": [{"name": name, "dtype": "int64", "shape": [batch, length]} for name in inputs],
            "compiler": {"auto_cast": "none", "optlevel": 2, **compiler},
            "toolchain": {"name": "inductor"},
            "dtype": "float32",
        }
    )
