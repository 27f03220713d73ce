"""Whole models handed to optimum-neuron, on a double of its exporter: nothing here has run its real one."""

from __future__ import annotations

import json

import pytest

from neuronbuild import NeuronModelForCausalLM, api
from neuronbuild.api import Settings
from neuronbuild.errors import ReleaseError
from neuronbuild.recipe.schema import Interpreter
from tests.conftest import run_cli, write_recipe
from tests.doubles.neuron_sdk import install_optimum
from tests.doubles.toolchain import Recorder

MISHAPS = {
    "fails": ("user", "NCC_EVRF001", 1),
    "killed": ("memory", "want of memory", 2),
    "no-model": ("output", "no usable model.pt", 2),
    "empty": ("output", "an empty file: exported/model.pt", 2),
    "missing-rank": ("output", "tp1_sharded_checkpoint.safetensors", 2),
    "wrong-target": ("output", "target trn1 instead of trn2", 2),
}


def test_a_decoder_over_cores_is_the_folder_that_the_exporter_left(neuron_built):
    folder = neuron_built.release("sharded", "trn2")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    ranks = {f"checkpoint/weights/tp{rank}_sharded_checkpoint.safetensors" for rank in (0, 1)}
    assert {"model.pt", "config.json", "neuron_config.json", "README.md", "neuronbuild.json", "vocab.txt"} | ranks <= names
    assert list(folder.rglob("*.neuron")) == []


def test_its_strict_config_is_left_as_it_is(neuron_built):
    config = json.loads((neuron_built.release("sharded", "trn2") / "neuron_config.json").read_text())
    assert not any("neuronbuild" in key for key in config)
    assert (config["tp_degree"], config["target"], config["torch_dtype"]) == (2, "trn2", "bfloat16")


def test_parts_lie_where_the_loader_looks_and_the_top_has_no_block(neuron_built):
    folder = neuron_built.release("parts", "trn1")
    parts = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.neuron"))
    assert parts == ["decoder/model.neuron", "encoder/model.neuron"]
    assert "neuron" in json.loads((folder / "encoder/config.json").read_text())
    assert "neuron" not in json.loads((folder / "config.json").read_text())


def test_the_exporter_gets_no_word_that_it_would_drop_or_misread(neuron_built):
    calls = {entry["argv"][entry["argv"].index("--task") + 1]: entry for entry in neuron_built.calls["optimum"]}
    decoder = calls["text-generation"]["argv"]
    assert decoder == [
        "--model", "model", "--task", "text-generation", "--instance_type", "trn2", "--tensor_parallel_size", "2",
        "--torch_dtype", "bfloat16", "--batch_size", "1", "--sequence_length", "32", "--disable_neuron_cache",
        "--disable-validation", "exported",
    ]  # fmt: skip
    assert "--inline-weights-neff" in calls["text2text-generation"]["argv"]


def test_its_caches_are_private_to_the_job(neuron_built):
    for entry in neuron_built.calls["optimum"]:
        assert entry["cache"].startswith(entry["cwd"])
        assert entry["work"].startswith(entry["cwd"])


def test_the_key_has_the_weights_and_the_exporters_version(neuron_built):
    step = next(step for step in neuron_built.report["steps"] if step["recipe"] == "sharded")
    manifest = json.loads((neuron_built.root / f"cache/v1/actions/{step['key'][:2]}/{step['key']}.json").read_text())
    assert manifest["action"]["toolchain"]["versions"]["optimum-neuron"] == "0.4.5"
    assert manifest["action"]["weights"]["model.safetensors"]


def test_the_card_names_the_loader(neuron_built):
    assert (
        "from optimum.neuron import NeuronModelForCausalLM"
        in (neuron_built.release("sharded", "trn2") / "README.md").read_text()
    )


def test_our_own_classes_say_whose_it_is(neuron_built):
    with pytest.raises(ReleaseError, match="optimum-neuron exported it"):
        NeuronModelForCausalLM.from_pretrained(neuron_built.release("sharded", "trn2"))


@pytest.fixture(scope="module")
def replayed(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("optimum-failures")
    sdk = install_optimum(root / "sdk")
    names = {name: index + 2 for index, name in enumerate(MISHAPS)}
    sdk.set(acts={f"optimum {step}": name for name, step in names.items()})
    for name, step in names.items():
        shapes = {"batch_size": step, "sequence_length": 16}
        keys = {"task": "text-generation", "platforms": ["trn2"], "num_cores": 2, "shapes": shapes}
        write_recipe(root / f"recipes/{name}.yaml", name=name, model=str(models["text-generation"]), **keys)
    places = {"optimum": Interpreter(python=str(sdk.python))}
    settings = Settings(
        cache=str(root / "cache"), output=root / "out", scratch=root / "scratch", interpreters=places, keep_going=True, jobs=1
    )
    progress = Recorder()
    report = api.apply(api.load_recipes([root / "recipes"]), settings, progress)
    outcomes = {outcome.step.target.recipe: outcome for outcome in report.outcomes}
    return {name: (outcomes[name], progress.started_steps.count(step)) for name, step in names.items()}


@pytest.mark.parametrize("name", MISHAPS)
def test_its_failures_are_told_also_those_that_it_calls_successes(replayed, name):
    kind, message, tries = MISHAPS[name]
    outcome, tried = replayed[name]
    assert (outcome.kind, outcome.error.kind, tried) == ("failed", kind, tries)
    assert message in outcome.error.message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"compiler": {"optlevel": 3}}, "drop this without a word for a decoder"),
        ({"compiler": {"auto_cast": "all"}}, "drop this without a word for a decoder"),
        ({"compiler": {"extra_args": ["--lnc=1"]}}, "drop this without a word"),
        ({"dynamic_batch_size": True}, "drop this without a word"),
        ({"weights": "separate"}, "hold their weights"),
        ({"shapes": {"batch_size": [1, 2], "sequence_length": 16}}, "one shape each"),
        ({"platforms": ["trn3"]}, "doesn't compile for trn3"),
        ({"task": "fill-mask", "model": "fill-mask"}, "optimum-neuron isn't used for fill-mask"),
    ],
)
def test_what_it_cant_do_is_told_at_the_recipes_key(models, tmp_path, keys, message):
    base = {"model": "text-generation", "task": "text-generation", "platforms": ["trn1"], "num_cores": 2}
    said = {**base, "shapes": {"batch_size": 1, "sequence_length": 16}, **keys}
    write_recipe(tmp_path / "r.yaml", **{**said, "model": str(models[said["model"]])})
    done = run_cli("plan", "r.yaml", "--sdk", "2.26.1", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "r.yaml:" in done.stderr
