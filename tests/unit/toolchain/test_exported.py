from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest

from neuronbuild.artifact.action import CompilerPart, ModelPart
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.toolchain.exported import exporter_fault
from tests.unit.artifact.actions import compile_action
from tests.unit.neffs import neff

TOOLCHAIN = Fingerprint("optimum", "trn1", {}, {"target_override": "trn1"})
ONE, TWO = CompilerPart(num_cores=1), CompilerPart(num_cores=2)
DECODER = compile_action(
    toolchain=TOOLCHAIN, shape={"batch_size": 1}, compiler=TWO, model=ModelPart("AutoModelForCausalLM", {"model_type": "llama"})
)
TWO_PARTS = compile_action(
    toolchain=TOOLCHAIN,
    shape={"batch_size": 2, "sequence_length": 16},
    compiler=ONE,
    model=ModelPart("AutoModelForSpeechSeq2Seq", {"model_type": "whisper"}),
)
INDEX = {"model_type": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
DRAWING = ModelPart("AutoPipelineForText2Image", INDEX, controlnets=1)
PIPELINE = compile_action(
    toolchain=TOOLCHAIN,
    shape={"batch_size": 1, "num_images_per_prompt": 2, "height": 64, "width": 64},
    compiler=ONE,
    model=DRAWING,
)
IMAGES = {"static_batch_size": 2, "static_height": 64, "static_width": 64}


def write(root, parts, *, name="model.neuron", block=None):
    """Parts that are whole."""
    for part in parts:
        (root / part / name).parent.mkdir(parents=True)
        with zipfile.ZipFile(root / part / name, "w") as archive:
            archive.writestr("model/data/0", neff())
        (root / part / "config.json").write_text(json.dumps({"neuron": block or {}}))
    return root


def fault(root, action):
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return exporter_fault(root, found, action)


def test_two_parts_that_are_whole_are_fine(tmp_path):
    assert fault(write(tmp_path, ("encoder", "decoder"), block={"static_batch_size": 2}), TWO_PARTS) is None


def test_a_part_that_is_missing_is_told(tmp_path):
    assert "no usable decoder/model.neuron" in fault(write(tmp_path, ("encoder",)), TWO_PARTS)


def test_other_sizes_are_told(tmp_path):
    found = fault(write(tmp_path, ("encoder", "decoder"), block={"static_batch_size": 3}), TWO_PARTS)
    assert "static_batch_size 3 instead of 2" in found


def test_a_part_may_be_a_folder_of_ranks(tmp_path):
    action = TWO_PARTS
    root = write(tmp_path, ("encoder", "decoder"), name="model.neuron/tp_0.pt")
    assert "no usable encoder/model.neuron" in fault(root, action)
    assert "no usable encoder/model.neuron" in fault(root, replace(action, compiler=TWO))
    for part in ("encoder", "decoder"):
        (root / part / "model.neuron/tp_1.pt").write_bytes((root / part / "model.neuron/tp_0.pt").read_bytes())
    assert fault(root, replace(action, compiler=TWO)) is None


def test_a_pipeline_is_all_of_its_parts_for_images_of_the_size(tmp_path):
    parts = ("unet", "vae_encoder", "vae_decoder", "controlnet_0")
    root = write(tmp_path, parts, block=IMAGES)
    assert fault(root, PIPELINE) is None
    (root / "vae_encoder/config.json").write_text(json.dumps({"neuron": {**IMAGES, "static_width": 72}}))
    assert "static_width 72 instead of 64" in fault(root, PIPELINE)
    (root / "controlnet_0/model.neuron").unlink()
    assert "static_width" in fault(root, PIPELINE)
    assert "no usable controlnet_0" in fault(write(tmp_path / "other", parts[:3], block=IMAGES), PIPELINE)


def test_parts_with_weights_apart_have_those_of_every_core(tmp_path):
    action = replace(PIPELINE, model=replace(DRAWING, controlnets=0), compiler=TWO)
    root = write(tmp_path, ("unet", "vae_encoder", "vae_decoder"), block=IMAGES)
    (root / "unet/weights").mkdir()
    (root / "unet/weights/tp0_sharded_checkpoint.safetensors").touch()
    assert "left no unet/weights/tp1_sharded_checkpoint.safetensors" in fault(root, action)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_config_that_cant_be_read_is_a_fault(tmp_path, text):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data/0", b"graphs")
    (tmp_path / "neuron_config.json").write_text(text)
    assert "can't be read" in fault(tmp_path, DECODER)
    write(tmp_path / "parts", ("encoder", "decoder"))
    (tmp_path / "parts/encoder/config.json").write_text(text)
    assert "can't be read" in fault(tmp_path / "parts", TWO_PARTS)


def test_a_decoder_without_its_graphs_or_with_half_of_them_is_told(tmp_path):
    (tmp_path / "neuron_config.json").write_text("{}")
    assert "no usable model.pt" in fault(tmp_path, DECODER)
    (tmp_path / "model.pt").write_bytes(b"PK half")
    assert "a damaged archive" in fault(tmp_path, DECODER)


def test_a_part_without_a_neff_is_told(tmp_path):
    root = write(tmp_path, ("encoder", "decoder"))
    with zipfile.ZipFile(root / "decoder/model.neuron", "w") as archive:
        archive.writestr("model/data/0", b"nothing")
    assert "decoder/model.neuron holds no NEFF" in fault(root, TWO_PARTS)
