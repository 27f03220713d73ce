"""Our argument lists in the hands of the real exporter, where `OPTIMUM_NEURON_PYTHON` names an interpreter that has it.

Its `main()` runs over stand-ins for the SDK, which note what would be compiled. So it is about what 0.4.5 takes, drops and
stops at, which our tables and the double of it repeat.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from dataclasses import replace

import pytest

from neuronbuild.recipe.target import Options
from neuronbuild.tasks import TASKS
from neuronbuild.tasks.exports import DECODING, EXPORTS
from neuronbuild.toolchain.exporter import exporter_arguments
from neuronbuild.worker.optimum import words
from tests.conftest import ROOT
from tests.limits import LONG

PYTHON = os.environ.get("OPTIMUM_NEURON_PYTHON")
TOOLS = ROOT / "tests/tools"
DOUBLE = ROOT / "tests/doubles/neuron_sdk/packages/optimum/exporters/neuron/registry.py"

pytestmark = [
    pytest.mark.optimum,
    pytest.mark.skipif(PYTHON is None, reason="OPTIMUM_NEURON_PYTHON names no interpreter with optimum-neuron"),
]

VERSION = "0.4.5"
TRN1 = Options("trn1", "none", "bf16", 2, (), "inline", "float32", 1, dynamic_batch_size=False)
TWO = replace(TRN1, num_cores=2)
CASTING = replace(TRN1, auto_cast="matmul")
TEXT = {"batch_size": 1, "sequence_length": 16}
BEAMS = {**TEXT, "num_beams": 2}
IMAGES = {"batch_size": 1, "height": 64, "width": 64, "num_images_per_prompt": 1}

SIZES = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 8, "vocab_size": 120, "max_position_embeddings": 64,
}  # fmt: skip
MORE = {
    "phi3": {"pad_token_id": 0, "eos_token_id": 2},
    "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "mixtral": {"num_local_experts": 4},
    "llama4_text": {"num_local_experts": 4, "intermediate_size_mlp": 64},
}
PIPELINES = {"stable_diffusion": "StableDiffusionPipeline", "flux": "FluxPipeline", "pixart": "PixArtAlphaPipeline"}


def argv_for(task: str, model_type: str, options: Options = TRN1, shape: dict | None = None) -> list[str]:
    """What the worker tells the exporter of an action that is planned."""
    model = {"auto_class": TASKS[task].auto_class, "config": {"model_type": model_type}, "lora": [], "controlnets": 0}
    arguments = exporter_arguments(options, model, VERSION)
    return words({"compiler": {"arguments": arguments}, "shape": shape or TEXT})


def unplanned(task: str, shape: dict | None = None, **said: object) -> list[str]:
    """A list that no plan lets through: that of a model without a type, with other words in it."""
    argv = argv_for(task, "", shape=shape)
    for name, value in said.items():
        argv = [*argv[:-1], f"--{name}", str(value), argv[-1]]
    return argv


def model_cases(models, decoders) -> dict[str, tuple[str, list[str]]]:
    """By name, a model's folder and the words: lists that we make, then those that we refuse."""
    t5, whisper = models["text2text-generation"], models["speech-seq2seq"]
    generation, embedding, translation, speech = (
        "text-generation", "feature-extraction", "text2text-generation", "speech-seq2seq",
    )  # fmt: skip
    planned = {
        f"{task} {kind} {cores}": (decoders[kind], argv_for(task, kind, replace(TRN1, num_cores=cores)))
        for task, kinds in EXPORTS[VERSION].models.items() if task in DECODING
        for kind in kinds for cores in (1, 2)
    }  # fmt: skip
    return planned | {
        "t5": (t5, argv_for(translation, "t5", CASTING, BEAMS)),
        "t5 bf16": (t5, argv_for(translation, "t5", replace(TRN1, dtype="bfloat16"), BEAMS)),
        "t5 over cores": (t5, argv_for(translation, "t5", TWO, {**TEXT, "num_beams": 1})),
        "whisper": (whisper, argv_for(speech, "whisper", replace(TRN1, optlevel=3))),
        "gpt2": (decoders["gpt2"], unplanned(generation)),
        "mistral": (decoders["mistral"], unplanned(generation)),
        "mt5": (decoders["mt5"], unplanned(translation, BEAMS)),
        "embedding of llama": (decoders["llama"], unplanned(embedding)),
        "a decoder without dtype": (decoders["silent"], unplanned(generation)),
        "a decoder in another dtype": (decoders["llama"], unplanned(generation, torch_dtype="float32")),
        "texts and images": (decoders["llama4"], unplanned(generation)),
        "whisper over cores": (whisper, unplanned(speech, tensor_parallel_size=2)),
        "t5 bf16 over cores": (t5, unplanned(translation, BEAMS, tensor_parallel_size=2, torch_dtype="bfloat16")),
    }


def picture_cases(folder) -> dict[str, tuple[str, list[str]]]:
    """The same of pipelines."""
    task, split = "text-to-image", replace(TRN1, dynamic_batch_size=True)
    sd, flux, pixart = (folder / name for name in PIPELINES)
    short, long = {**IMAGES, "sequence_length": 16}, {**IMAGES, "sequence_length": 32}
    return {
        "sd": (sd, argv_for(task, PIPELINES["stable_diffusion"], CASTING, short)),
        "sd splits": (sd, argv_for(task, PIPELINES["stable_diffusion"], split, IMAGES)),
        "flux": (flux, argv_for(task, PIPELINES["flux"], TRN1, long)),
        "flux, shorter": (flux, argv_for(task, PIPELINES["flux"], TRN1, short)),
        "flux over cores": (flux, argv_for(task, PIPELINES["flux"], replace(TWO, dtype="bfloat16"), IMAGES)),
        "pixart": (pixart, argv_for(task, PIPELINES["pixart"], TRN1, short)),
        "flux inpaints, shorter": (flux, argv_for("inpainting", PIPELINES["flux"], TRN1, short)),
        "flux of inpainting, shorter": (folder / "flux_inpainting", unplanned("inpainting", short)),
        "flux casts": (flux, unplanned(task, IMAGES, auto_cast="matmul")),
        "pixart casts": (pixart, unplanned(task, IMAGES, auto_cast="matmul")),
        "flux for trn2": (flux, unplanned(task, IMAGES, instance_type="trn2")),
        "pixart for trn2": (pixart, unplanned(task, IMAGES, instance_type="trn2")),
    }


def write_decoders(root) -> dict[str, object]:
    """Configs: the exporter reads no weights before it compiles."""
    kinds = {kind: {"dtype": "bfloat16"} for kinds in EXPORTS[VERSION].models.values() for kind in kinds}
    said = {**kinds, "gpt2": {}, "mistral": {"dtype": "bfloat16"}, "mt5": {"is_encoder_decoder": True}}
    said |= {"silent": {"model_type": "llama"}}
    said |= {"llama4": {"text_config": {"model_type": "llama4_text", "dtype": "bfloat16", **SIZES, **MORE["llama4_text"]}}}
    for name, keys in said.items():
        (root / name).mkdir()
        config = {"model_type": name, **SIZES, **MORE.get(name, {}), **keys}
        (root / name / "config.json").write_text(json.dumps(config))
    return {name: root / name for name in said}


class Exported:
    """One process that ran everything. Treat it as read-only. Pipelines are there if diffusers is."""

    def __init__(self, models, root) -> None:
        (root / "decoders").mkdir()
        found = model_cases(models, write_decoders(root / "decoders"))
        if subprocess.run([PYTHON, "-c", "import diffusers"], capture_output=True, check=False).returncode == 0:
            subprocess.run([PYTHON, TOOLS / "tiny_pipelines.py", root / "pipelines"], check=True, timeout=LONG)
            found |= picture_cases(root / "pipelines")
        given = [{"name": name, "model": str(model), "argv": argv} for name, (model, argv) in found.items()]
        command = [PYTHON, TOOLS / "optimum_exporter.py", root / "work"]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=LONG)
        assert done.returncode == 0, done.stderr
        self.said = json.loads(done.stdout.splitlines()[-1])  # the tokenizers print, too

    def of(self, name: str) -> dict:
        if name not in self.said["cases"]:
            pytest.skip("the interpreter has no diffusers")
        return self.said["cases"][name]

    def lengths(self, name: str) -> dict[str, int]:
        """By part, how long prompts are there."""
        blocks = self.of(name)["blocks"]
        return {part: size for part, block in blocks.items() if (size := (block or {}).get("static_sequence_length"))}

    def arguments(self, name: str) -> dict[str, str]:
        """By part, what a pipeline's was compiled with; traced parts by their places."""
        noted = [each for each in self.of(name)["noted"] if "arguments" in each]
        return {each.get("part", f"traced {index}"): each["arguments"] for index, each in enumerate(noted)}


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory) -> Exported:
    return Exported(models, tmp_path_factory.mktemp("exporter"))


def double():
    spec = importlib.util.spec_from_file_location("registry", DOUBLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STOPS = {
    "gpt2": "KeyError",
    "mistral": "KeyError",
    "mt5": "KeyError",
    "embedding of llama": "KeyError",
    "a decoder without dtype": "ValueError: Unable to find `None` in the dtype mapping",
    "whisper over cores": "AttributeError: 'str' object has no attribute 'config'",
    "flux for trn2": "AttributeError: config",
    "pixart for trn2": "AttributeError: config",
}
"""Lists that we refuse, and what the exporter says of them."""


def test_our_table_is_its_registry(exported):
    assert exported.said["version"] == VERSION
    ours = {(kind, task) for task, kinds in EXPORTS[VERSION].models.items() if task in DECODING for kind in kinds}
    assert {tuple(each) for each in exported.said["decoders"]} == ours == double().DECODERS
    whole = {kind: tasks for kind, tasks in exported.said["traced"].items() if kind.endswith("-encoder")}
    assert whole == {kind: [task] for kind, task in double().TRACED.items()}
    two = {kind for task, kinds in EXPORTS[VERSION].models.items() if task not in DECODING for kind in kinds}
    assert {f"{kind}-encoder" for kind in two} == set(whole)


def test_every_list_that_we_make_goes_through_its_main(exported):
    stopped = {name: said["refused"] for name, said in exported.said["cases"].items() if "refused" in said}
    assert set(stopped) == set(STOPS) & set(exported.said["cases"])


@pytest.mark.parametrize(("name", "told"), STOPS.items())
def test_what_we_refuse_it_stops_at(exported, name, told):
    assert exported.of(name)["refused"].startswith(told)


def test_decoders_are_in_their_checkpoints_dtype_whatever_is_said(exported):
    made = {name: said["decoder"] for name, said in exported.said["cases"].items() if said["decoder"] is not None}
    assert len(made) == 22
    assert {config["torch_dtype"] for config in made.values()} == {"bfloat16"}
    for name in (name for name in made if name.endswith(" 2")):
        assert made[name]["tp_degree"] == 2
        assert [f"checkpoint/weights/tp{rank}_sharded_checkpoint.safetensors" in exported.of(name)["files"] for rank in (0, 1)]


def test_of_a_model_of_texts_and_images_it_leaves_the_weights_out(exported):
    assert not [name for name in exported.of("texts and images")["files"] if "checkpoint" in name]


def test_parts_with_models_of_their_own_are_compiled_as_they_always_are(exported):
    for name, parts in (("flux casts", 2), ("pixart casts", 1)):
        built = [each["arguments"] for each in exported.of(name)["noted"] if each["way"] == "builder"]
        assert len(built) == parts
        assert all(" -O1 " in said and " --auto-cast=none " in said and "matmult" not in said for said in built)
    traced = [said for part, said in exported.arguments("flux casts").items() if part.startswith("traced")]
    assert all("--auto-cast matmult" in said for said in traced)


def test_what_is_spread_over_cores_is_loaded_in_full_precision(exported):
    loaded = [each["dtype"] for each in exported.of("t5 bf16 over cores")["noted"] if each["way"] == "loaded"]
    assert loaded == ["torch.float32", "torch.float32"]
    assert {each["dtype"] for each in exported.of("t5 bf16")["noted"]} == {"torch.bfloat16"}


def test_casts_levels_and_inner_weights_are_heard_of_elsewhere(exported):
    assert [each["inline"] for each in exported.of("t5")["noted"]] == [True, True]
    for said in exported.arguments("t5").values():
        assert "--auto-cast matmult --auto-cast-type bf16 --optlevel 2 --target trn1" in said
    assert all("--optlevel 3" in said for said in exported.arguments("whisper").values())
    assert [each["way"] for each in exported.of("sd splits")["noted"]].count("dynamic_batch") == 4


def test_with_two_text_encoders_prompts_are_as_long_as_tokenizers_say_but_for_fluxs_own(exported):
    assert exported.lengths("flux") == {"text_encoder": 16, "text_encoder_2": 32, "transformer": 32}
    assert exported.lengths("flux, shorter") == {"text_encoder": 16, "text_encoder_2": 16, "transformer": 16}
    assert exported.lengths("flux inpaints, shorter") == exported.lengths("flux, shorter")
    assert exported.lengths("flux of inpainting, shorter") == {"text_encoder": 16, "text_encoder_2": 32, "transformer": 16}
