"""Releases for the real optimum-neuron's loader: one for every task and family that is planned, of models with random weights,
and what eager PyTorch answers.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers

from neuronbuild.tasks import FAMILIES, TASKS
from neuronbuild.tasks.families import TEXT
from neuronbuild.tasks.loaders import LOADERS
from tests import senses
from tests.conftest import CLASSES, ROOT, SIZES, make_model, run_cli, write_recipe, write_sentence_modules
from tests.doubles.neuron_sdk import FakeSdk
from tests.tools.tiny import OWN_ENCODER

PYTHON = os.environ.get("OPTIMUM_NEURON_PYTHON")
SCRIPT = ROOT / "tests/tools/optimum_loader.py"

TEXTS = {"batch_size": 2, "sequence_length": 16}
SENTENCES = "sentence-similarity"
WITHOUT_TYPES = {"deberta"}
"""Families whose config says by default that there are no token types, and whose graph then takes none."""

LABELLED = {name for name, task in TASKS.items() if task.labels}


@dataclass(frozen=True)
class Case:
    """One release: a family for a task; `config` and `shape` are what differs from the usual."""

    task: str
    family: str
    config: dict = field(default_factory=dict)
    shape: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "-".join([self.task, self.family, *(f"{axis}-{size}" for axis, size in self.shape.items())])

    @property
    def sizes(self) -> dict[str, int]:
        if self.task not in TEXT:
            return {**senses.CASES[self.family, self.task][1], **self.shape}
        return TEXTS | ({"num_choices": 3} if self.task == "multiple-choice" else {})

    def make(self, folder: Path) -> Path:
        """Save the model."""
        labels = {"num_labels": 3} if self.task in LABELLED else {}
        if self.task not in TEXT:
            first = {"architectures": []} if FAMILIES[self.family].variants else {}  # of a task's several classes
            return senses.make_sense_model(folder, self.task, self.family, **labels, **first, **self.config)
        own = {**SIZES, **OWN_ENCODER.get(self.family, {}), **labels, **self.config}
        model = make_model(folder, CLASSES.get(self.task, "AutoModel"), self.family, **own)
        if self.task == SENTENCES:
            write_sentence_modules(model)
        return model


def cases() -> list[Case]:
    """Every task and family that has a graph of one core and a loader there; and images of other sizes than the config's."""
    every = [Case(task, name) for task in LOADERS for name, family in FAMILIES.items() if task in family.tasks]
    images = {"height": 64, "width": 96}
    return [*every, *(Case("image-classification", family, shape=images) for family in ("cvt", "convnext", "mobilenet_v2"))]


@dataclass
class Loaded:
    """Releases, what the loader answered, and what it has in its registry."""

    sdk: FakeSdk
    root: Path
    report: dict
    said: dict

    def folder(self, case: Case) -> Path:
        return self.root / f"releases/{case.name}-inf2"

    def answer(self, case: Case) -> dict:
        return self.said["answers"][cases().index(case)]


def build(sdk: FakeSdk, root: Path, wanted: list[Case]) -> dict:
    """Models, recipes, and one `apply`; what that reports."""
    sdk.workspace(root)
    for case in wanted:
        model = case.make(root / "models" / case.name)
        keys = {"task": case.task, "platforms": ["inf2"], "shapes": case.sizes}
        write_recipe(root / f"recipes/{case.name}.yaml", name=case.name, model=str(model), **keys)
    done = run_cli("apply", "--json", "-k", "-j", 2, cwd=root)
    return {**json.loads(done.stdout), "log": done.stderr}


def ask(sdk: FakeSdk, folder: Path, jobs: list[dict]) -> dict:
    """What the real loader says of releases: one process for all."""
    file = folder / "jobs.json"
    file.write_text(json.dumps({"jobs": jobs, "tasks": list(LOADERS)}))
    command = [str(PYTHON), str(SCRIPT), str(sdk.site), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def inputs_of(case: Case, folder: Path) -> dict[str, torch.Tensor]:
    """Seeded inputs of the compiled sizes, padded in the last row; those that the release's graph takes, and no others."""
    [manifest] = folder.glob("buckets/*/manifest.json")
    action = json.loads(manifest.read_text())["action"]
    generator = torch.Generator().manual_seed(7)
    return {each["name"]: _values(case, each, generator) for each in action["inputs"]}


def _values(case: Case, entry: dict, generator: torch.Generator) -> torch.Tensor:
    shape = entry["shape"]
    if entry["dtype"] == "float32":
        return torch.randn(shape, generator=generator)
    if entry["name"] == "attention_mask":
        mask = torch.ones(shape, dtype=torch.int64)
        mask.view(-1, shape[-1])[-1, -3:] = 0
        return mask
    if entry["name"] == "token_type_ids":
        kinds = 1 if case.family == "deberta-v2" else 2
        return torch.arange(torch.Size(shape).numel()).reshape(shape) % kinds
    ids = torch.randint(5, SIZES["vocab_size"], shape, generator=generator)
    if case.family == "clip":
        ids[:, -5] = senses.WORDS["eos_token_id"]
    return ids


def eager(case: Case, model: Path, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What eager PyTorch answers: tensors by name, those of a part by its name, a dot and their own."""
    auto = getattr(transformers, TASKS[case.task].auto_class)
    loaded = auto.from_pretrained(model, attn_implementation="eager").eval()
    with torch.no_grad():
        outputs = flat(loaded(**given))
    if case.task != SENTENCES:
        return outputs
    tokens, mask = outputs["last_hidden_state"], given["attention_mask"].unsqueeze(-1)
    mean = (tokens * mask).sum(1) / mask.sum(1)
    return {"token_embeddings": tokens, "sentence_embedding": torch.nn.functional.normalize(mean, dim=-1)}


def flat(outputs: dict) -> dict[str, torch.Tensor]:
    """The tensors of outputs by name."""
    found: dict[str, torch.Tensor] = {}
    for name, value in outputs.items():
        if isinstance(value, dict):
            found |= {f"{name}.{own}": each for own, each in flat(value).items()}
        elif isinstance(value, torch.Tensor):
            found[name] = value
    return found
