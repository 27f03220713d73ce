"""Building for Neuron platforms on doubles of the SDK: one environment, one `apply` for all tests that look at its results.

Nothing here has run on Neuron hardware, or against AWS's own packages.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from neuronbuild import host
from tests.conftest import TEXT, run_cli, write_recipe
from tests.doubles.neuron_sdk import FakeSdk

BUILT = "built.json"
"""The file in a workspace with the report, the log and the calls of its `apply`."""


@dataclass
class NeuronBuilt:
    """Environments, a workspace that was built in others like them, and what `apply` said there. Treat it as read-only."""

    sdk: FakeSdk
    old: FakeSdk
    optimum: FakeSdk
    root: Path
    report: dict
    log: str
    calls: dict[str, list[dict]]

    @classmethod
    def read(cls, sdk: FakeSdk, old: FakeSdk, optimum: FakeSdk, root: Path) -> NeuronBuilt:
        """With these environments, and what `build_all` left in a workspace."""
        return cls(sdk, old, optimum, root, **json.loads((root / BUILT).read_text()))

    def release(self, name: str, platform: str = "inf2") -> Path:
        return self.root / f"releases/{name}-{platform}"

    def block(self, name: str, platform: str = "inf2") -> dict:
        return json.loads((self.release(name, platform) / "config.json").read_text())["neuron"]

    def index(self, name: str, platform: str = "inf2") -> dict:
        return json.loads((self.release(name, platform) / "neuronbuild.json").read_text())


GENERATION = {"num_beams": 2, "sequence_length": 32, "prefill_length": 8}
LOADING = {"lazy_load": True, "async_load": True}
SHARDED = {"batch_size": 1, "sequence_length": 32}
BEAMS = {"num_beams": 2}


def recipes_for(root: Path, models: dict[str, Path]) -> None:
    """What is built: several shapes, platforms, casts, weights apart and in, and the first generation."""
    cast = {"auto_cast": "matmul", "auto_cast_type": "bf16"}
    kinds = {
        "masked": {"task": "fill-mask", "platforms": ["inf2", "trn2"], "shapes": {"batch_size": 2, "sequence_length": [8, 16]}},
        "apart": {"task": "text-classification", "platforms": ["inf2"], "shapes": TEXT, "weights": "separate"},
        "split": {
            "task": "feature-extraction",
            "platforms": ["inf2"],
            "shapes": TEXT,
            "dynamic_batch_size": True,
            "compiler": LOADING,
        },
        "sentences": {"task": "sentence-similarity", "platforms": ["inf2"], "shapes": TEXT, "compiler": cast},
        "generator": {"task": "text-generation", "platforms": ["inf2"], "shapes": TEXT | GENERATION},
        "translator": {"task": "text2text-generation", "platforms": ["inf2"], "shapes": TEXT | BEAMS},
        "sharded": {"task": "text-generation", "platforms": ["trn2"], "shapes": SHARDED, "num_cores": 2},
        "embedder": {"task": "feature-extraction", "platforms": ["trn1"], "shapes": SHARDED, "num_cores": 2},
        "parts": {"task": "text2text-generation", "platforms": ["trn1"], "shapes": TEXT | BEAMS, "toolchain": "optimum"},
        "spread": {"task": "text2text-generation", "platforms": ["trn1"], "shapes": TEXT | {"num_beams": 1}, "num_cores": 2},
        "listener": {"task": "speech-seq2seq", "platforms": ["trn1"], "shapes": TEXT, "toolchain": "optimum"},
        "first": {"task": "fill-mask", "platforms": ["inf1"], "shapes": TEXT},
    }
    own = {"sharded": {}, "embedder": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}}
    half = {name: as_half(models["text-generation"], root / f"models/{name}", **said) for name, said in own.items()}
    for name, keys in kinds.items():
        write_recipe(root / f"recipes/{name}.yaml", name=name, model=str(half.get(name, models[keys["task"]])), **keys)


def as_half(model: Path, folder: Path, **said: object) -> Path:
    """A decoder whose config says bfloat16, as most checkpoints do."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16", **said}))
    return folder


def build_all(sdk: FakeSdk, old: FakeSdk, optimum: FakeSdk, root: Path, models: dict[str, Path]) -> None:
    """One `apply`, in a process of its own; what came of it is kept in the workspace."""
    sdk.workspace(root, neuron=old, optimum=optimum)
    recipes_for(root, models)
    done = run_cli("apply", "--json", "-k", "-j", 1, cwd=root)
    assert done.returncode == 0, done.stderr
    built = {"report": json.loads(done.stdout), "log": done.stderr, "calls": _calls(sdk, old, optimum)}
    (root / BUILT).write_text(json.dumps(built))


def _calls(*environments: FakeSdk) -> dict[str, list[dict]]:
    """What was called while it was built, by the call."""
    found: dict[str, list[dict]] = {}
    for entry in (entry for each in environments for entry in each.diary()):
        found.setdefault(entry.get("call", ""), []).append(entry)
    return found


@dataclass
class Host:
    """A host that says that it has Neuron devices."""

    sdk: FakeSdk
    folder: Path

    @classmethod
    def stand_in(cls, monkeypatch: pytest.MonkeyPatch, folder: Path, *sdks: FakeSdk) -> Host:
        """Have this process stand on one, with the packages of some environments: an inf2, until it becomes another."""
        made = cls(sdks[0], folder)
        made.folder.mkdir()
        monkeypatch.setattr(host, "DEVICES", made.folder / "devices")
        monkeypatch.setattr(host, "PRODUCT", made.folder / "product")
        monkeypatch.setattr(sys, "path", [*sys.path, *(str(sdk.site) for sdk in sdks)])
        shared = sys.modules.get("neuron_double")
        if shared is not None:  # loaded by a test with other environments; once, as operators are
            monkeypatch.setattr(shared, "place", lambda: sdks[0].root / "double.json")
        made.become("inf2.xlarge")
        return made

    def become(self, instance: str, driver: str = "245 neuron\n") -> None:
        (self.folder / "product").write_text(instance + "\n")
        (self.folder / "devices").write_text(f"Character devices:\n  1 mem\n{driver}")
