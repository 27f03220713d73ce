"""Whole models handed to optimum-neuron, on a double of its exporter, which has the traps of the real one (0.4.5)."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from neuronbuild import api, open_model
from neuronbuild.api import Settings
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.build.model_files import link_model
from neuronbuild.build.workbench import Workbench
from neuronbuild.errors import ReleaseError
from neuronbuild.recipe.schema import Interpreter
from neuronbuild.store.location import open_store
from tests.conftest import run_cli, write_recipe
from tests.doubles.neuron_sdk import install_optimum
from tests.doubles.toolchain import Recorder, is_gone, wait_until
from tests.limits import LONG

MISHAPS = {
    "fails": ("user", "NCC_EVRF001", 1),
    "internal": ("internal", "NCC_ILSM901", 2),
    "status-70": ("internal", "an internal error (70)", 2),
    "killed": ("memory", "want of memory", 2),
    "f137": ("memory", "want of memory", 2),
    "segfault": ("crash", "optimum-neuron crashed with SIGSEGV", 2),
    "disk": ("system", "no space left on device", 1),
    "no-model": ("output", "no usable model.pt", 2),
    "empty": ("output", "an empty file: exported/model.pt", 2),
    "short": ("output", "model.pt is a damaged archive", 2),
    "missing-rank": ("output", "tp1_sharded_checkpoint.safetensors", 2),
    "wrong-target": ("output", "target trn1 instead of trn2", 2),
}
OF_PARTS = {
    "fails": ("user", "NCC_EVRF001", 1),
    "no-model": ("output", "no usable decoder/model.neuron", 2),
    "empty": ("output", "an empty file: exported/decoder/model.neuron", 2),
    "short": ("output", "encoder/model.neuron is a damaged archive", 2),
    "no-neff": ("output", "encoder/model.neuron holds no NEFF", 2),
    "other-size": ("output", "static_sequence_length 17 instead of 16", 2),
}
"""Of models in two parts, of which the exporter says less."""


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


def test_a_decoders_dtype_is_its_checkpoints_in_the_key_and_in_the_folder(neuron_built):
    for name, platform in (("sharded", "trn2"), ("embedder", "trn1")):
        assert manifest_of(neuron_built, name)["action"]["dtype"] == "bfloat16"
        config = json.loads((neuron_built.release(name, platform) / "neuron_config.json").read_text())
        assert config["torch_dtype"] == "bfloat16"


def test_parts_lie_where_the_loader_looks_and_the_top_has_no_block(neuron_built):
    folder = neuron_built.release("parts", "trn1")
    parts = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.neuron"))
    assert parts == ["decoder/model.neuron", "encoder/model.neuron"]
    assert "neuron" in json.loads((folder / "encoder/config.json").read_text())
    assert "neuron" not in json.loads((folder / "config.json").read_text())


def test_over_several_cores_a_parts_file_is_a_folder_of_ranks(neuron_built):
    folder = neuron_built.release("spread", "trn1")
    ranks = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("tp_*.pt"))
    assert ranks == [f"{part}/model.neuron/tp_{rank}.pt" for part in ("decoder", "encoder") for rank in (0, 1)]


def test_whisper_is_an_encoder_and_a_decoder_as_well(neuron_built):
    folder = neuron_built.release("listener", "trn1")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {f"{part}/{name}" for part in ("encoder", "decoder") for name in ("model.neuron", "config.json")} <= names
    assert {"config.json", "generation_config.json", "README.md"} <= names
    block = json.loads((folder / "decoder/config.json").read_text())["neuron"]
    assert (block["model_type"], block["static_batch_size"], block["static_sequence_length"]) == ("whisper-decoder", 2, 16)


def call_for(neuron_built, task: str, cores: int = 1) -> list[str]:
    wanted = [task, "--instance_type", "--tensor_parallel_size", str(cores)]
    argvs = [entry["argv"] for entry in neuron_built.calls["optimum"]]
    [argv] = [argv for argv in argvs if [argv[3], argv[4], argv[6], argv[7]] == wanted]
    return argv


def test_the_exporter_gets_no_word_that_it_would_drop_or_misread(neuron_built):
    for task, platform in (("text-generation", "trn2"), ("feature-extraction", "trn1")):
        assert call_for(neuron_built, task, 2) == [
            "--model", "model", "--task", task, "--instance_type", platform, "--tensor_parallel_size", "2", "--batch_size", "1",
            "--sequence_length", "32", "--disable_neuron_cache", "--disable-validation", "exported",
        ]  # fmt: skip
    assert call_for(neuron_built, "automatic-speech-recognition") == [
        "--model", "model", "--task", "automatic-speech-recognition", "--instance_type", "trn1", "--tensor_parallel_size", "1",
        "--torch_dtype", "float32", "--auto_cast", "none", "-O2", "--inline-weights-neff", "--batch_size", "2",
        "--sequence_length", "16", "--disable_neuron_cache", "--disable-validation", "exported",
    ]  # fmt: skip
    translator = call_for(neuron_built, "text2text-generation")
    assert translator[translator.index("--num_beams") + 1] == "2"
    assert "--inline-weights-neff" in translator


def test_its_caches_are_private_to_the_job(neuron_built):
    for entry in neuron_built.calls["optimum"]:
        assert entry["cache"].startswith(entry["cwd"])
        assert entry["work"].startswith(entry["cwd"])


def test_the_key_has_the_weights_and_the_exporters_version(neuron_built):
    action = manifest_of(neuron_built, "sharded")["action"]
    assert action["toolchain"]["versions"]["optimum-neuron"] == "0.4.5"
    assert action["weights"]["model.safetensors"]


def manifest_of(neuron_built, recipe: str) -> dict:
    key = next(step["key"] for step in neuron_built.report["steps"] if step["recipe"] == recipe)
    return json.loads((neuron_built.root / f"cache/v1/actions/{key[:2]}/{key}.json").read_text())


@pytest.mark.parametrize(
    ("name", "platform", "loader"),
    [
        ("sharded", "trn2", "NeuronModelForCausalLM"),
        ("embedder", "trn1", "NeuronModelForEmbedding"),
        ("parts", "trn1", "NeuronModelForSeq2SeqLM"),
        ("listener", "trn1", "NeuronWhisperForConditionalGeneration"),
    ],
)
def test_our_own_classes_say_whose_it_is(neuron_built, name, platform, loader):
    with pytest.raises(ReleaseError, match=f"optimum-neuron exported it, and its {loader} runs it") as caught:
        open_model(neuron_built.release(name, platform))
    assert f"from optimum.neuron import {loader}" in caught.value.hint
    assert f"from optimum.neuron import {loader}" in (neuron_built.release(name, platform) / "README.md").read_text()


class Replays:
    """One `apply` over models that generate, one way to fail each: decoders over two cores, and one in two parts."""

    def __init__(self, models, root) -> None:
        self.sdk = install_optimum(root / "sdk")
        names = [*MISHAPS, "internal once", *(f"part {name}" for name in OF_PARTS)]
        self.steps = {name: index + 2 for index, name in enumerate(names)}
        self.sdk.set(acts={f"optimum {step}": name.removeprefix("part ") for name, step in self.steps.items()})
        for name, step in self.steps.items():
            shapes = {"batch_size": step, "sequence_length": 16}
            keys = {"task": "text-generation", "platforms": ["trn2"], "num_cores": 2, "shapes": shapes}
            if name.startswith("part "):
                task = {"task": "text2text-generation", "platforms": ["trn1"], "toolchain": "optimum"}
                keys = {**task, "shapes": shapes | {"num_beams": 2}}
            plain = name.replace(" ", "-")
            write_recipe(root / f"recipes/{plain}.yaml", name=plain, model=str(models[keys["task"]]), **keys)
        places = {"optimum": Interpreter(python=str(self.sdk.python))}
        self.settings = Settings(
            cache=str(root / "cache"), output=root / "out", scratch=root / "scratch", interpreters=places, keep_going=True,
            jobs=1, timeout=300.0,
        )  # fmt: skip
        self.progress = Recorder()
        self.located = api.load_recipes([root / "recipes"])
        report = api.apply(self.located, self.settings, self.progress)
        self.outcomes = {outcome.step.target.shape.as_dict()["batch_size"]: outcome for outcome in report.outcomes}

    def of(self, name: str):
        step = self.steps[name]
        return self.outcomes[step], self.progress.started_steps.count(step)


@pytest.fixture(scope="module")
def replayed(models, tmp_path_factory) -> Replays:
    return Replays(models, tmp_path_factory.mktemp("optimum-failures"))


@pytest.mark.parametrize("name", [*MISHAPS, *(f"part {name}" for name in OF_PARTS)])
def test_its_failures_are_told_also_those_that_it_calls_successes(replayed, name):
    kind, message, tries = MISHAPS[name] if name in MISHAPS else OF_PARTS[name.removeprefix("part ")]
    outcome, tried = replayed.of(name)
    assert (outcome.kind, outcome.error.kind, tried) == ("failed", kind, tries), outcome.error
    assert message in outcome.error.message


def test_what_failed_once_and_passed_then_is_built(replayed):
    outcome, tried = replayed.of("internal once")
    assert (outcome.kind, tried) == ("built", 2)


def test_none_of_its_failures_is_in_the_store(replayed):
    store = open_store(replayed.settings.cache)
    failed = [outcome for outcome in replayed.outcomes.values() if outcome.kind == "failed"]
    assert [outcome.error for outcome in failed if store.lookup(outcome.step.action.key) is not None] == []


def test_an_exporter_that_hangs_is_stopped(replayed, tmp_path):
    context = Context.open(replayed.settings)
    each = prepare(replayed.located, context)[0]
    _, action = each.steps[0]
    step = action.document["shape"]["batch_size"]
    replayed.sdk.set(acts={f"optimum {step}": "hang"})
    with Workbench(tmp_path / "work", 20.0) as bench, bench.folder() as folder:
        link_model(each.model, folder / "model")
        job = {"kind": "compile", "action": action.document, "model": str(folder / "model")}
        answer = bench.run(context.toolchains["optimum", each.platform], job, folder)
    assert (answer.error.kind, "longer than 20 s" in answer.error.message) == ("timeout", True)
    [process] = [entry["process"] for entry in replayed.sdk.diary() if "process" in entry]
    wait_until(lambda: is_gone(process))


SEQ2SEQ = {"task": "text2text-generation", "model": "text2text-generation"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"compiler": {"optlevel": 3}}, "drop this without a word for a decoder"),
        ({"compiler": {"auto_cast": "all"}}, "drop this without a word for a decoder"),
        ({"compiler": {"extra_args": ["--lnc=1"]}}, "drop this without a word"),
        ({"dynamic_batch_size": True}, "as many rows as it was compiled for"),
        ({"weights": "separate"}, "hold their weights"),
        ({"shapes": {"batch_size": [1, 2], "sequence_length": 16}}, "one shape each"),
        ({"platforms": ["trn3"]}, "doesn't compile for trn3"),
        ({"task": "fill-mask", "model": "fill-mask"}, "optimum-neuron isn't used for fill-mask"),
        ({"dtype": "bfloat16"}, "in the dtype that its config.json says, float32, and not in bfloat16"),
        ({"compiler": {"auto_cast_type": "bf16"}}, "says, float32, and casts nothing to bf16"),
        ({"task": "feature-extraction"}, "doesn't export llama for feature-extraction, only qwen3"),
        ({"task": "speech-seq2seq", "model": "speech-seq2seq"}, "doesn't spread whisper over cores"),
        (
            {**SEQ2SEQ, "shapes": {"batch_size": 1, "sequence_length": 16, "num_beams": 2}},
            "0.4.5 can't compile beams over several cores",
        ),
        (
            {**SEQ2SEQ, "shapes": {"batch_size": 1, "sequence_length": 16, "num_beams": 1}, "dtype": "bfloat16"},
            "over several cores in float32, whatever is said",
        ),
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


def unplanned(root, models, **keys):
    """The exporter run as the worker would, on a model and with arguments that no plan lets through."""
    sdk = install_optimum(root / "sdk")
    link = root / "model"
    shutil.copytree(models[keys.pop("model")], link)
    if "config" in keys:
        config = json.loads((link / "config.json").read_text())
        (link / "config.json").write_text(json.dumps({**config, **keys.pop("config")}))
    said = {"model": "model", "instance_type": "trn1", "batch_size": 1, "sequence_length": 16, **keys}
    words = [word for name, value in said.items() for word in (f"--{name}", str(value))]
    command = [sdk.python, "-m", "optimum.exporters.neuron", *words, "--disable_neuron_cache", "exported"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=LONG)


GENERATES, TRANSLATES, WRITES = (
    {"model": task, "task": word}
    for task, word in (
        ("text-generation", "text-generation"),
        ("text2text-generation", "text2text-generation"),
        ("speech-seq2seq", "automatic-speech-recognition"),
    )
)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({**GENERATES, "config": {"model_type": "gpt2"}}, "KeyError"),
        ({**GENERATES, "config": {"dtype": None}}, "ValueError: Unable to find `None` in the dtype mapping"),
        ({**TRANSLATES, "config": {"model_type": "mt5"}, "num_beams": 1}, "KeyError"),
        ({**WRITES, "tensor_parallel_size": 2}, "AttributeError: 'str' object has no attribute 'config'"),
        ({**TRANSLATES, "tensor_parallel_size": 2, "num_beams": 2}, "RuntimeError: _share_filename_: only available on CPU"),
    ],
)
def test_the_double_stops_where_the_real_exporter_does(models, tmp_path, keys, told):
    done = unplanned(tmp_path, models, **keys)
    assert done.returncode == 1
    assert told in done.stderr


def test_the_double_passes_over_the_dtype_that_a_decoder_is_asked_for(models, tmp_path):
    done = unplanned(tmp_path, models, **GENERATES, torch_dtype="bfloat16")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "exported/neuron_config.json").read_text())["torch_dtype"] == "float32"
