from __future__ import annotations

import json

import pytest

from neuronbuild.release.neuron_config import compiler_version, make_block, with_block
from tests.unit.release.manifests import traced

ARGUMENTS = ("--auto-cast=matmult", "--auto-cast-type=bf16", "--optlevel=3", "--target=inf2")
KNOWN = {
    "auto_cast", "auto_cast_type", "compiler_type", "compiler_version", "dynamic_batch_size", "float_dtype",
    "inline_weights_to_neff", "instance_type", "int_dtype", "model_type", "optlevel", "output_attentions",
    "output_hidden_states", "static_batch_size", "static_sequence_length", "task", "tensor_parallel_size", "neuronbuild",
}  # fmt: skip


def test_the_block_has_the_loaders_keys_and_one_of_ours():
    assert set(make_block("fill-mask", traced())) == KNOWN


def test_casts_and_level_are_read_from_what_was_handed_over():
    block = make_block("fill-mask", traced(arguments=ARGUMENTS))
    assert (block["auto_cast"], block["auto_cast_type"], block["optlevel"]) == ("matmul", "bf16", "3")
    assert make_block("fill-mask", traced(arguments=("--auto-cast=none",)))["auto_cast_type"] is None


def test_a_sentence_model_is_called_what_the_loader_calls_it():
    made = traced(sentence_modules=({"kind": "Normalize"},))
    assert make_block("sentence-similarity", made)["model_type"] == "transformer"


@pytest.mark.parametrize(
    ("facts", "version"),
    [({"versions": {"neuronx-cc": "2.26.6360.0+ab"}}, "2.26.6360.0+ab"), ({}, "2.26.6360.0")],
)
def test_type_and_version_of_the_compiler_are_both_there(facts, version):
    made = traced(**facts)
    assert compiler_version(made) == make_block("fill-mask", made)["compiler_version"] == version


def test_the_models_own_config_is_kept_beside_it():
    data = with_block({"model_type": "bert", "id2label": {"0": "größer"}}, "fill-mask", traced())
    config = json.loads(data)
    assert (config["model_type"], config["id2label"]) == ("bert", {"0": "größer"})
    assert config["neuron"]["task"] == "fill-mask"
    assert data == with_block({"id2label": {"0": "größer"}, "model_type": "bert"}, "fill-mask", traced())


IMAGES = {"num_channels": 3, "width": 32, "height": 32}
WIDE = {"batch_size": 1, "num_channels": 3, "width": 96, "height": 64}


@pytest.mark.parametrize(
    ("said", "shape", "written"),
    [
        ({"image_size": 224}, {"batch_size": 1, **IMAGES}, 32),
        ({}, {"batch_size": 1, **IMAGES}, 32),
        ({}, WIDE, [64, 96]),
        ({"image_size": [32, 32]}, {"batch_size": 1, **IMAGES}, [32, 32]),
        ({}, {"text_batch_size": 1, "image_batch_size": 1, **IMAGES}, None),
        ({}, {"batch_size": 1, "sequence_length": 8}, None),
    ],
)
def test_the_config_says_the_size_of_images_that_was_compiled(said, shape, written):
    config = json.loads(with_block({"model_type": "cvt", **said}, "image-classification", traced(shape=shape)))
    assert config.get("image_size") == written


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ({"batch_size": 1, **IMAGES}, {"batch_size"}),
        ({"text_batch_size": 1, "image_batch_size": 1, **IMAGES}, {"text_batch_size", "image_batch_size", *IMAGES}),
        ({"batch_size": 1, "audio_sequence_length": 16000}, {"batch_size", "audio_sequence_length"}),
    ],
)
def test_axes_are_those_that_the_loader_must_be_told(shape, axes):
    block = make_block("image-classification", traced(shape=shape))
    assert {key.removeprefix("static_") for key in block if key.startswith("static_")} == axes
