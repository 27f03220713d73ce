"""Diffusion pipelines, LoRA and ControlNet through optimum-neuron, on a double: its real exporter hasn't run here."""

from __future__ import annotations

import json
import shutil

import pytest

from neuronbuild import open_model
from neuronbuild.errors import ReleaseError
from tests.conftest import run_cli, write_recipe
from tests.doubles.neuron_sdk import install_optimum
from tests.tools.pipelines import FLUX, WEIGHTS, write_controlnet, write_lora, write_pipeline

SHAPES = {"batch_size": 2, "height": 64, "width": 128, "num_images_per_prompt": 2}
PICTURES = {"model": "../models/sd", "task": "text-to-image", "platforms": ["inf2"], "shapes": SHAPES}
RECIPES = {
    "plain": PICTURES,
    "edited": {**PICTURES, "task": "image-to-image", "shapes": {**SHAPES, "batch_size": 3}, "dynamic_batch_size": True},
    "styled": {
        **PICTURES,
        "compiler": {"auto_cast": "matmul"},
        "lora": [{"model": "../models/ink", "scale": 0.75}, {"model": "../models/many", "weights": "gold.safetensors"}],
        "controlnet": ["../models/edges", {"model": "../models/depth"}],
    },
    "large": {**PICTURES, "model": "../models/flux", "num_cores": 2, "dtype": "bfloat16", "platforms": ["trn1"]},
}


def write_all(root) -> None:
    write_pipeline(root / "models/sd")
    write_pipeline(root / "models/flux", "FluxPipeline", FLUX, length=512)
    write_pipeline(root / "models/inpainting", "FluxInpaintPipeline", FLUX, length=512)
    write_lora(root / "models/ink")
    write_lora(root / "models/many", "gold.safetensors")
    write_lora(root / "models/many", "silver.safetensors")
    write_controlnet(root / "models/edges")
    write_controlnet(root / "models/depth")
    for name, keys in RECIPES.items():
        write_recipe(root / f"recipes/{name}.yaml", name=name, **keys)


class Pictures:
    """One `apply` of all recipes. Treat it as read-only."""

    def __init__(self, root) -> None:
        self.root, self.sdk = root, install_optimum(root / "sdk")
        self.sdk.package("diffusers", "0.35.2")
        self.sdk.package("peft", "0.17.0")
        write_all(root)
        places = {"toolchains": {"optimum": {"python": str(self.sdk.python)}}}
        (root / "neuronbuild.yaml").write_text(json.dumps(places))
        assert run_cli("trust", cwd=root).returncode == 0  # the environment lies in the workspace
        done = run_cli("apply", "--json", "-k", "-j", 1, cwd=root)
        assert done.returncode == 0, done.stderr
        self.report = json.loads(done.stdout)
        self.calls = {entry["argv"][-1]: entry for entry in self.sdk.diary("optimum")}

    def release(self, name: str):
        return self.root / f"releases/{name}-{RECIPES[name]['platforms'][0]}"

    def files(self, name: str) -> set[str]:
        folder = self.release(name)
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    def action(self, name: str) -> dict:
        key = next(step["key"] for step in self.report["steps"] if step["recipe"] == name)
        return json.loads((self.root / f"cache/v1/actions/{key[:2]}/{key}.json").read_text())["action"]

    def argv(self, *words: str) -> list[str]:
        [argv] = [entry["argv"] for entry in self.sdk.diary("optimum") if set(words) <= set(entry["argv"])]
        return argv


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    return Pictures(tmp_path_factory.mktemp("pictures"))


def test_a_release_is_the_folder_of_parts_that_the_exporter_left(pictures):
    parts = {"text_encoder", "unet", "vae_encoder", "vae_decoder"}
    assert {f"{part}/{name}" for part in parts for name in ("model.neuron", "config.json")} <= pictures.files("plain")
    small = {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json"}
    assert small <= pictures.files("plain")
    assert not [
        name for name in pictures.files("plain") if name.startswith(("vae/", "lora", "controlnet")) or "safetensors" in name
    ]


def test_each_controlnet_is_a_part_and_a_lora_is_none(pictures):
    extra = pictures.files("styled") - pictures.files("plain")
    assert {name for name in extra if name.startswith("controlnet")} == {
        f"controlnet_{number}/{name}" for number in (0, 1) for name in ("model.neuron", "config.json")
    }
    assert not [name for name in extra if "lora" in name]


def test_sharded_parts_have_the_weights_of_every_core(pictures):
    shards = {name for name in pictures.files("large") if "sharded" in name}
    places = ("transformer", "text_encoder_2")
    assert shards == {f"{part}/weights/tp{rank}_sharded_checkpoint.safetensors" for part in places for rank in (0, 1)}


def test_the_exporter_gets_the_documented_arguments(pictures):
    assert pictures.argv("--lora_model_ids") == [
        "--model", "model", "--task", "text-to-image", "--instance_type", "inf2", "--tensor_parallel_size", "1",
        "--torch_dtype", "float32", "--auto_cast_type", "bf16", "--auto_cast", "matmul", "-O2", "--inline-weights-neff",
        "--lora_model_ids", "model/lora_0", "model/lora_1", "--lora_weight_names", "pytorch_lora_weights.safetensors",
        "gold.safetensors", "--lora_adapter_names", "lora_0", "lora_1", "--lora_scales", "0.75", "1.0", "--controlnet_ids",
        "model/controlnet_0", "model/controlnet_1", "--batch_size", "2", "--height", "64", "--width", "128",
        "--num_images_per_prompt", "2", "--sequence_length", "77", "--disable_neuron_cache", "--disable-validation", "exported",
    ]  # fmt: skip
    assert "--dynamic-batch-size" in pictures.argv("image-to-image")


def test_parts_that_the_exporter_has_models_for_are_compiled_as_they_always_are(pictures):
    made = {
        entry["argv"][5]: entry["parts"] for entry in pictures.sdk.diary("optimum") if "--lora_model_ids" not in entry["argv"]
    }
    assert made["trn1"]["transformer"] == made["trn1"]["text_encoder_2"] == "--model-type=transformer -O1 --auto-cast=none"
    assert made["trn1"]["vae_decoder"] == "--auto-cast none --optlevel 2 --target trn1"


def test_every_lora_counts_with_its_own_scale(pictures):
    [entry] = [entry for entry in pictures.sdk.diary("optimum") if entry["lora"]]
    assert entry["lora"] == [["lora ink/pytorch_lora_weights.safetensors", 0.75], ["lora many/gold.safetensors", 1.0]]


def test_the_key_has_the_weights_of_every_part_and_the_small_files(pictures):
    action = pictures.action("styled")
    assert set(action["weights"]) == {
        "text_encoder/model.safetensors", f"unet/{WEIGHTS}", f"vae/{WEIGHTS}",
        "lora_0/pytorch_lora_weights.safetensors", "lora_1/gold.safetensors",
        f"controlnet_0/{WEIGHTS}", f"controlnet_1/{WEIGHTS}",
    }  # fmt: skip
    assert {"unet/config.json", "controlnet_0/config.json", "tokenizer/vocab.json"} <= set(action["model"]["files"])
    assert action["compiler"]["libraries"] == {"diffusers": "0.35.2", "peft": "0.17.0"}


def test_the_card_and_our_own_loader_name_the_class_that_runs_it(pictures):
    for name, loader in {
        "plain": "NeuronStableDiffusionPipeline",
        "edited": "NeuronStableDiffusionImg2ImgPipeline",
        "styled": "NeuronStableDiffusionControlNetPipeline",
        "large": "NeuronFluxPipeline",
    }.items():
        assert f"from optimum.neuron import {loader}" in (pictures.release(name) / "README.md").read_text()
        with pytest.raises(ReleaseError, match=loader) as caught:
            open_model(pictures.release(name))
        assert f"from optimum.neuron import {loader}" in caught.value.hint


def test_running_it_here_is_told_without_a_traceback(pictures):
    done = run_cli("run", pictures.release("plain"), "a cat", cwd=pictures.root)
    assert done.returncode == 6
    assert "its NeuronStableDiffusionPipeline runs it" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_apply_compiles_nothing(pictures):
    done = run_cli("apply", "--json", cwd=pictures.root)
    assert {step["outcome"] for step in json.loads(done.stdout)["steps"]} == {"reused"}


@pytest.fixture
def planned(tmp_path):
    """Plans with no SDK at all."""
    write_all(tmp_path)
    (tmp_path / "neuronbuild.yaml").write_text('{"sdk": "2.31.0", "toolchains": {"optimum": {"sdk": "2.26.1"}}}')

    def plan(*words: object) -> dict[str, str]:
        done = run_cli("plan", "--json", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {step["recipe"]: step["key"] for step in json.loads(done.stdout)["steps"]}

    return plan


@pytest.mark.parametrize(
    "file",
    [
        "many/gold.safetensors", f"depth/{WEIGHTS}", "depth/config.json", f"sd/vae/{WEIGHTS}", "sd/unet/config.json",
        "sd/tokenizer/vocab.json",
    ],
)  # fmt: skip
def test_another_byte_in_any_part_is_another_key(planned, tmp_path, file):
    before = planned()
    (tmp_path / "models" / file).write_bytes((tmp_path / "models" / file).read_bytes() + b" ")
    after = planned()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == ({"styled", "plain", "edited"} if file.startswith("sd/") else {"styled"})


def test_what_no_part_reads_changes_no_key(planned, tmp_path):
    before = planned()
    (tmp_path / "models/many/silver.safetensors").write_bytes(b"others")
    (tmp_path / "models/sd/README.md").write_text("Other pictures.")
    (tmp_path / f"models/sd/unet/{WEIGHTS.replace('.', '.fp16.', 1)}").write_bytes(b"others")
    assert planned() == before


def test_two_clones_in_different_folders_get_identical_keys(planned, tmp_path):
    clone = tmp_path / "another/place"
    shutil.copytree(tmp_path, clone, ignore=shutil.ignore_patterns("another"))
    done = run_cli("plan", "--json", cwd=clone)
    assert {step["recipe"]: step["key"] for step in json.loads(done.stdout)["steps"]} == planned()


def test_a_lock_plans_the_same_keys_where_no_model_is(planned, tmp_path):
    before = planned()
    assert run_cli("lock", "recipes", cwd=tmp_path).returncode == 0
    shutil.rmtree(tmp_path / "models")
    assert planned("--locked") == before


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        (
            {"platforms": ["inf1"]},
            "r.yaml:",
            "goes through the toolchain optimum, for inf2 and Trainium; neuron, which compiles for inf1",
        ),
        (
            {"platforms": ["cpu"]},
            "r.yaml:",
            "goes through the toolchain optimum, for inf2 and Trainium; inductor, which compiles",
        ),
        ({"shapes": {**SHAPES, "height": 65}}, "r.yaml:", "height must be a multiple of 8, not 65"),
        ({"shapes": {"batch_size": 1, "height": 64}}, "r.yaml:", "missing: width"),
        ({"shapes": {**SHAPES, "sequence_length": 78}}, "r.yaml:", "longer than this model can read: 77 tokens"),
        ({"task": "fill-mask"}, "r.yaml:", "isn't exported for fill-mask; it is for text-to-image"),
        ({"task": "inpainting", "controlnet": "models/edges"}, "r.yaml:", "takes no ControlNet for inpainting"),
        ({"dtype": "bfloat16", "controlnet": "models/edges"}, "r.yaml:", "compiles ControlNets in float32"),
        ({"num_cores": 2}, "r.yaml:", "doesn't spread a StableDiffusionPipeline over cores"),
        ({"weights": "separate"}, "r.yaml:", "use `weights: inline`"),
        ({"model": "models/flux", "num_cores": 2, "lora": "models/ink"}, "r.yaml:", "without any LoRA"),
        ({"model": "models/flux", "lora": "models/ink"}, "r.yaml:", "without any LoRA"),
        ({"model": "models/flux", "compiler": {"auto_cast": "matmul"}}, "r.yaml:", "with -O1 --auto-cast=none"),
        ({"model": "models/flux", "compiler": {"optlevel": 1}}, "r.yaml:", "with -O1 --auto-cast=none"),
        ({"model": "models/flux", "platforms": ["trn2"]}, "r.yaml:", "leave trn2 out"),
        (
            {"model": "models/inpainting", "task": "inpainting", "shapes": {**SHAPES, "sequence_length": 256}},
            "r.yaml:",
            "sequence_length must be 512, as the tokenizer says",
        ),
        ({"lora": {"model": "models/ink", "weights": "../x.safetensors"}}, "r.yaml:", "is no file of weights"),
        ({"platforms": ["trn3"]}, "r.yaml:", "doesn't compile for trn3"),
    ],
)
def test_what_cant_be_done_is_told_at_the_recipes_key(tmp_path, keys, place, message):
    write_all(tmp_path)
    said = {**PICTURES, **keys}
    for key in ("model", "lora", "controlnet"):
        if isinstance(said.get(key), str):
            said[key] = f"./{said[key].removeprefix('../')}"
    write_recipe(tmp_path / "r.yaml", **said)
    done = run_cli("plan", "r.yaml", "--sdk", "2.26.1", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert place in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lora": "./models/none"}, "there is no folder"),
        ({"lora": "./models/many"}, "it has no pytorch_lora_weights.safetensors"),
        ({"controlnet": "./models/ink"}, "it has no config.json"),
        ({"controlnet": "./models/sd/text_encoder"}, "its config.json names no _class_name"),
        ({"model": "./models/ink"}, "it has no config.json"),
    ],
)
def test_a_part_that_isnt_there_is_told_at_the_key_that_names_it(tmp_path, keys, message):
    write_all(tmp_path)
    write_recipe(tmp_path / "r.yaml", **{**PICTURES, "model": "./models/sd", **keys})
    done = run_cli("plan", "r.yaml", "--sdk", "2.26.1", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipeline_that_the_exporter_doesnt_know_and_a_model_that_is_none_are_told(tmp_path, models):
    write_pipeline(tmp_path / "models/other", "KandinskyPipeline")
    for model, more, message in (
        (tmp_path / "models/other", {}, "doesn't export a KandinskyPipeline; it exports FluxInpaintPipeline"),
        (models["fill-mask"], {}, "text-to-image is done by pipelines of diffusers, and this model is none"),
        (models["fill-mask"], {"task": "fill-mask", "lora": "./x"}, "there is no folder"),
    ):
        write_recipe(tmp_path / "r.yaml", **{**PICTURES, "model": str(model), **more})
        done = run_cli("plan", "r.yaml", "--sdk", "2.26.1", cwd=tmp_path)
        assert done.returncode in {2, 3}
        assert message in done.stderr


MISHAPS = {
    "no-part": ("output", "no usable vae_decoder/model.neuron"),
    "other-size": ("output", "static_height 72 instead of 64"),
    "short": ("output", "text_encoder/model.neuron is a damaged archive"),
    "disk": ("system", "no space left on device"),
}


def test_what_the_exporter_leaves_out_is_told(pictures, tmp_path):
    write_all(tmp_path)
    shutil.rmtree(tmp_path / "recipes")
    shutil.copy(pictures.root / "neuronbuild.yaml", tmp_path)
    steps = {name: index + 10 for index, name in enumerate(MISHAPS)}
    for name, step in steps.items():
        shapes = {**SHAPES, "batch_size": step}
        write_recipe(tmp_path / f"recipes/{name}.yaml", **{**PICTURES, "shapes": shapes})
    pictures.sdk.set(acts={f"optimum {step}": name for name, step in steps.items()})
    try:
        done = run_cli("apply", "--json", "-k", "-j", 1, cwd=tmp_path)
    finally:
        pictures.sdk.set(acts={})
    errors = {step["recipe"]: step["error"] for step in json.loads(done.stdout)["steps"]}
    for name, (kind, message) in MISHAPS.items():
        assert errors[name]["class"] == kind
        assert message in errors[name]["message"]


def test_an_environment_with_other_libraries_is_told(pictures, tmp_path):
    write_all(tmp_path)
    said = {"sdk": "2.26.1", "toolchains": {"optimum": {"python": str(pictures.sdk.python), "versions": {"peft": "0.18.0"}}}}
    (tmp_path / "neuronbuild.yaml").write_text(json.dumps(said))
    done = run_cli("apply", "recipes/plain.yaml", cwd=tmp_path)
    assert done.returncode == 5
    assert "peft is 0.17.0" in done.stderr
    assert "0.18.0 is pinned" in done.stderr
