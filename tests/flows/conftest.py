"""Checkpoints of all kinds, released once for all tests that look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import TEXT, write_recipe
from tests.doubles.neuron_sdk import FakeSdk, install_inf1, install_optimum, install_sdk
from tests.flows import checkpoints
from tests.flows.neuron import Host, NeuronBuilt, build_all
from tests.flows.stores import applied, copy_store, folder_of, records


@dataclass
class Variants:
    """Models by name, their recipes, the store that was copied from `built` for them, and what `apply` said."""

    root: Path
    models: dict[str, tuple[Path, str]]
    known_before: set[str]
    report: dict

    @property
    def store(self) -> Path:
        return self.root / "store"

    def release(self, name: str) -> Path:
        return folder_of(self.report, name)


@pytest.fixture(scope="session")
def variants(models, built, tmp_path_factory) -> Variants:
    """A release for each way to save weights: all of graphs that `built` has compiled. Treat it as read-only."""
    root = tmp_path_factory.mktemp("variants")
    classifier, base, masked = models["text-classification"], models["feature-extraction"], models["fill-mask"]
    kinds = {
        "sharded": (checkpoints.shard(classifier, root / "sharded"), "text-classification"),
        "pickled": (checkpoints.pickle(classifier, root / "pickled"), "text-classification"),
        "without-prefix": (
            checkpoints.copy_model(classifier, root / "without-prefix", checkpoints.without_prefix),
            "text-classification",
        ),
        "with-prefix": (classifier, "feature-extraction"),
        "old-names": (
            checkpoints.copy_model(classifier, root / "old-names", checkpoints.with_old_names),
            "text-classification",
        ),
        "half-precision": (
            checkpoints.copy_model(classifier, root / "half-precision", checkpoints.halve),
            "text-classification",
        ),
        "without-pooler": (masked, "feature-extraction"),
        "fine-tune": (checkpoints.copy_model(classifier, root / "fine-tune", checkpoints.train), "text-classification"),
        "fine-tuned-base": (checkpoints.copy_model(base, root / "fine-tuned-base", checkpoints.train), "feature-extraction"),
    }
    for name, (model, task) in kinds.items():
        write_recipe(root / f"recipes/{name}.yaml", name=name, model=str(model), task=task, shapes=TEXT, dtype="float32")
    store = copy_store(built.cache, root / "store")
    known = records(store)
    return Variants(root, kinds, known, applied("recipes", "--cache", store, cwd=root))


@pytest.fixture(scope="session")
def neuron_built(models, once, tmp_path_factory) -> NeuronBuilt:
    """What doubles of the Neuron SDK compiled, once a run. The environments are this process's own: tests change them."""
    built = once("neuron", lambda folder: build_all(*install_all(folder), folder / "work", models))
    return NeuronBuilt.read(*install_all(tmp_path_factory.mktemp("neuron")), built / "work")


def install_all(root: Path) -> tuple[FakeSdk, FakeSdk, FakeSdk]:
    """An environment for each of the SDK's toolchains."""
    return install_sdk(root / "sdk"), install_inf1(root / "inf1"), install_optimum(root / "optimum")


@pytest.fixture
def device(neuron_built, tmp_path, monkeypatch) -> Host:
    """This process on a host with a device: an inf2, until it becomes another. The doubles run what they compiled."""
    made = Host.stand_in(monkeypatch, tmp_path / "host", neuron_built.sdk, neuron_built.old)
    for sdk in (neuron_built.sdk, neuron_built.old):
        sdk.set(device=True)
    yield made
    for sdk in (neuron_built.sdk, neuron_built.old):
        sdk.set(device=False, runtime="new")
