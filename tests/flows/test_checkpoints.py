"""Every way in which weights are saved: released without a compile, and answering as eager PyTorch does."""

from __future__ import annotations

import json

import pytest
import torch

from neuronbuild.models import open_model
from tests.conftest import TEXT, write_recipe
from tests.flows import checkpoints
from tests.flows.stores import applied, blob_of, contents, copy_store, flip_a_byte, manifest, records, refused
from tests.flows.test_tasks_run import eager_outputs, encode

AS_THEY_ARE = ("sharded", "without-prefix", "with-prefix", "old-names", "fine-tune", "fine-tuned-base")
CONVERTED = ("pickled", "half-precision", "without-pooler")


def bound_files(release) -> set[str]:
    index = json.loads((release / "neuronbuild.json").read_text())
    return {binding["file"] for binding in index["bindings"].values()}


@pytest.mark.parametrize("name", [*AS_THEY_ARE, *CONVERTED])
def test_a_checkpoint_of_any_kind_answers_as_eager_pytorch(name, models, variants):
    model, task = variants.models[name]
    encoded = encode(models[task], task)
    expected, output = eager_outputs(model, task, encoded), open_model(variants.release(name))(**encoded)
    assert output
    for each in output:
        assert torch.allclose(output[each], expected[each].float(), atol=1e-4), each


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_weights_in_the_right_form_are_bound_as_they_are(name, variants):
    assert all(file.startswith("model") for file in bound_files(variants.release(name)))
    assert not (variants.release(name) / "weights.safetensors").exists()


@pytest.mark.parametrize("name", CONVERTED)
def test_other_weights_are_converted(name, variants):
    assert "weights.safetensors" in bound_files(variants.release(name))


def test_only_conversions_and_checks_were_recorded(variants):
    new = records(variants.store) - variants.known_before
    kinds = [manifest(variants.store, key)["action"]["kind"] for key in new]
    assert kinds.count("convert") == len(CONVERTED)
    assert set(kinds) == {"convert", "check"}


def test_a_second_release_converts_and_checks_nothing(variants, tmp_path):
    before = records(variants.store)
    report = applied("recipes", "--cache", variants.store, "--output", tmp_path, cwd=variants.root)
    assert len(report["releases"]) == len(variants.models)
    assert records(variants.store) == before
    assert contents(tmp_path / "pickled-cpu") == contents(variants.release("pickled"))


def test_an_output_that_the_checkpoint_has_no_weights_for_is_left_out_and_said_so(models, variants):
    release = variants.release("without-pooler")
    output = open_model(release)(**encode(models["fill-mask"], "fill-mask"))
    assert list(output) == ["last_hidden_state"]
    assert "no weights for it: pooler_output" in (release / "README.md").read_text()


def test_damaged_conversions_are_made_again(variants, tmp_path):
    store = copy_store(variants.store, tmp_path / "store")
    keys = [key for key in records(store) - variants.known_before if manifest(store, key)["action"]["kind"] == "convert"]
    for key in keys:
        flip_a_byte(blob_of(store, key, "weights.safetensors"))
    recipes = [f"recipes/{name}.yaml" for name in CONVERTED]
    report = applied(*recipes, "--cache", store, "--output", tmp_path / "out", cwd=variants.root)
    assert report["stderr"].count("holds other bytes") == len(keys)
    assert contents(tmp_path / "out/pickled-cpu") == contents(variants.release("pickled"))


class Trap:
    """What runs a command when it is unpickled."""

    def __init__(self, file) -> None:
        self.file = file

    def __reduce__(self):
        return type(self.file).touch, (self.file,)


def lose(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


@pytest.fixture(scope="module")
def failures(models, built, tmp_path_factory) -> str:
    """What `apply` says of checkpoints that can't be released."""
    root = tmp_path_factory.mktemp("failures")
    good = models["text-classification"]
    wrong = {
        "headless": models["feature-extraction"],
        "one-lost": checkpoints.copy_model(good, root / "one-lost", lose("bert.encoder.layer.1.output.dense.weight")),
        "other-size": checkpoints.copy_model(
            good, root / "other-size", lambda t: {**t, "classifier.weight": torch.ones(5, 32)}
        ),
        "not-a-number": checkpoints.copy_model(
            good, root / "not-a-number", lambda t: {**t, "classifier.bias": torch.full((3,), torch.nan)}
        ),
        "none": checkpoints.copy_model(good, root / "none"),
        "cut": checkpoints.copy_model(good, root / "cut"),
        "cut-pickle": checkpoints.pickle(good, root / "cut-pickle"),
        "trap": checkpoints.pickle(good, root / "trap"),
    }
    (wrong["none"] / checkpoints.WEIGHTS).unlink()
    for file in (wrong["cut"] / checkpoints.WEIGHTS, wrong["cut-pickle"] / "pytorch_model.bin"):
        file.write_bytes(file.read_bytes()[:-3000])
    torch.save({"classifier.bias": Trap(root / "sprung")}, wrong["trap"] / "pytorch_model.bin")
    for name, model in wrong.items():
        write_recipe(root / f"recipes/{name}.yaml", model=str(model), task="text-classification", shapes=TEXT)
    said = refused(6, "apply", "-k", "--cache", copy_store(built.cache, root / "store"), cwd=root)
    assert not list((root / "releases").glob("*-cpu"))
    assert not (root / "sprung").exists()
    return said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("headless", "the checkpoint has no weights for classifier.bias, classifier.weight; is the task right"),
        ("one-lost", "the checkpoint has no weights for bert.encoder.layer.1.output.dense.weight"),
        ("other-size", "classifier.weight has shape [5, 32], the config asks for [3, 32]"),
        ("not-a-number", "the weights hold NaN or infinite numbers: model.classifier.bias"),
        ("none", "has no weights (no model.safetensors, pytorch_model.bin or .gguf)"),
        ("cut", "bytes, its header says"),
        ("cut-pickle", "the checkpoint can't be read"),
        ("trap", "the checkpoint can't be read: it is damaged, or more than plain tensors were pickled"),
    ],
)
def test_a_checkpoint_that_cant_be_released_is_told_in_a_line(name, words, failures):
    lines = [line for line in failures.splitlines() if line.startswith(f"error: release {name}-cpu: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "/work/" not in lines[0]
