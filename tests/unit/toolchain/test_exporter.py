from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.artifact.action import Lora, ModelPart
from neuronbuild.artifact.shape import Shape
from neuronbuild.tasks import PIPELINES
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.exporter import EXPORTED_TASKS, beams_fault, exporter_arguments
from tests.unit.toolchain.test_flags import PLAIN

VERSION = "0.4.5"
ONE = replace(PLAIN, platform="trn1")
TWO = replace(ONE, num_cores=2)


def model(model_type, auto_class):
    return ModelPart(auto_class, {"model_type": model_type})


def pipeline(name, **more):
    return replace(model(name, "AutoPipelineForText2Image"), **{"lora": (), "controlnets": 0, **more})


LLAMA = model("llama", "AutoModelForCausalLM")
T5 = model("t5", "AutoModelForSeq2SeqLM")
WHISPER = model("whisper", "AutoModelForSpeechSeq2Seq")
EMBEDDER = model("qwen3", "AutoModel")
SD, FLUX, PIXART = (pipeline(f"{name}Pipeline") for name in ("StableDiffusion", "Flux", "PixArtAlpha"))
LORA = {"lora": (Lora("a.safetensors", 0.5), Lora("b.bin", 1.0))}


def arguments(options=ONE, said=LLAMA, version=VERSION):
    return exporter_arguments(options, said, version)


def test_a_decoder_is_given_no_dtype_which_the_exporter_would_pass_over():
    assert arguments(TWO) == ["--task", "text-generation", "--instance_type", "trn1", "--tensor_parallel_size", "2"]


def test_a_decoder_that_embeds_goes_the_same_way():
    assert arguments(TWO, EMBEDDER)[:2] == ["--task", "feature-extraction"]
    assert "--torch_dtype" not in arguments(TWO, EMBEDDER)


def test_weights_are_asked_in_since_its_command_leaves_them_out():
    said = arguments(replace(ONE, auto_cast="matmul"), T5)
    assert said[-5:] == ["bf16", "--auto_cast", "matmul", "-O2", "--inline-weights-neff"]


def test_speech_to_text_is_in_its_own_word():
    assert arguments(ONE, WHISPER)[1] == "automatic-speech-recognition"


def test_every_lora_gets_a_file_a_name_and_a_scale():
    said = arguments(ONE, replace(SD, **LORA, controlnets=1))
    assert said[said.index("--lora_model_ids") :] == [
        "--lora_model_ids", "model/lora_0", "model/lora_1", "--lora_weight_names", "a.safetensors", "b.bin",
        "--lora_adapter_names", "lora_0", "lora_1", "--lora_scales", "0.5", "1.0", "--controlnet_ids", "model/controlnet_0",
    ]  # fmt: skip


def test_pipelines_may_split_larger_batches():
    assert "--dynamic-batch-size" in arguments(replace(ONE, dynamic_batch_size=True), SD)


CAST, LEVEL = ("compiler", "auto_cast"), ("compiler", "optlevel")


@pytest.mark.parametrize(
    ("options", "said", "key", "told"),
    [
        (replace(ONE, weights="separate"), T5, ("weights",), "hold their weights"),
        (replace(ONE, loading=("lazy_load",)), T5, ("compiler", "lazy_load"), "drop this without a word"),
        (replace(ONE, extra_args=("--x",)), SD, ("compiler", "extra_args"), "drop this without a word"),
        (replace(ONE, dynamic_batch_size=True), T5, ("dynamic_batch_size",), "drop this without a word"),
        (replace(TWO, auto_cast="all"), LLAMA, CAST, "for a decoder, whose dtype is its checkpoint's"),
        (replace(TWO, optlevel=1), EMBEDDER, LEVEL, "for a decoder"),
        (replace(ONE, auto_cast="all", auto_cast_type="fp8_e4m3"), T5, ("compiler", "auto_cast_type"), "casts to bf16 or"),
        (TWO, SD, ("num_cores",), "doesn't spread a StableDiffusionPipeline over cores"),
        (TWO, WHISPER, ("num_cores",), "doesn't spread whisper over cores"),
        (replace(TWO, dtype="bfloat16"), T5, ("dtype",), "loads a t5 over several cores in float32, whatever is said"),
        (replace(ONE, dtype="bfloat16"), replace(SD, controlnets=1), ("dtype",), "compiles ControlNets in float32"),
        (TWO, model("gpt2", "AutoModelForCausalLM"), ("num_cores",), "0.4.5 doesn't export gpt2 for text-generation, only"),
        (ONE, model("mt5", "AutoModelForSeq2SeqLM"), ("toolchain",), "doesn't export mt5 for text2text-generation, only t5"),
        (ONE, model("bert", "AutoModel"), ("toolchain",), "doesn't export bert for feature-extraction, only qwen3"),
        (ONE, model("bert", "AutoModelForMaskedLM"), ("toolchain",), "isn't used for this task"),
    ],
)
def test_what_it_would_drop_or_stop_at_is_refused(options, said, key, told):
    with pytest.raises(OptionError, match=told) as caught:
        arguments(options, said)
    assert caught.value.keys == key


@pytest.mark.parametrize("said", [FLUX, PIXART], ids=["flux", "pixart"])
@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"auto_cast": "matmul"}, CAST),
        ({"optlevel": 1}, LEVEL),
        ({"optlevel": 3}, LEVEL),
        ({"dynamic_batch_size": True}, ("dynamic_batch_size",)),
    ],
)
def test_parts_that_are_compiled_as_they_always_are_hear_of_no_option(said, change, key):
    with pytest.raises(OptionError, match=r"with -O1 --auto-cast=none, for one batch size, whatever is said") as caught:
        arguments(replace(ONE, **change), said)
    assert caught.value.keys == key
    assert arguments(replace(ONE, **change), SD)


@pytest.mark.parametrize("options", [ONE, TWO], ids=["one core", "two cores"])
def test_parts_that_are_read_from_the_checkpoint_anew_have_no_lora(options):
    with pytest.raises(
        OptionError, match=r"transformer and text_encoder_2 of a FluxPipeline from the checkpoint anew"
    ) as caught:
        arguments(options, replace(FLUX, **LORA))
    assert caught.value.keys == ("lora",)


@pytest.mark.parametrize("said", [FLUX, PIXART], ids=["flux", "pixart"])
def test_its_text_encoder_for_trn2_is_refused(said):
    with pytest.raises(OptionError, match="leave trn2 out") as caught:
        arguments(replace(ONE, platform="trn2"), said)
    assert caught.value.keys == ("platforms",)
    assert arguments(ONE, said)
    assert arguments(replace(ONE, platform="trn2"), SD)


def test_a_pipeline_that_it_shards_goes_over_cores_and_in_another_dtype():
    assert "bfloat16" in arguments(replace(TWO, dtype="bfloat16"), FLUX)


@pytest.mark.parametrize("version", ["0.4.5", "0.4.6"])
def test_beams_over_cores_wait_for_the_version_that_can(version):
    both, one = Shape.of({"num_beams": 2}, ("num_beams",)), Shape.of({"num_beams": 1}, ("num_beams",))
    axis, told = beams_fault(TWO, both, version)
    assert (axis, "_share_filename_" in told) == ("num_beams", True)
    assert [beams_fault(TWO, one, version), beams_fault(ONE, both, version), beams_fault(TWO, both, "0.4.7")] == [None] * 3


def test_tasks_are_told_apart_by_their_auto_classes():
    assert len(set(EXPORTED_TASKS.values())) == len(EXPORTED_TASKS)
    assert {task for each in PIPELINES.values() for task in each.loaders} <= set(EXPORTED_TASKS.values())


@pytest.mark.parametrize("auto_class", EXPORTED_TASKS)
def test_where_no_model_has_been_looked_at_only_options_are(auto_class):
    assert arguments(ONE, model("", auto_class))[:1] == ["--task"]
