from __future__ import annotations

import pytest

from neuronbuild.artifact.action import document_of
from neuronbuild.plan.pipeline import Additions, is_pipeline, make_pipeline
from neuronbuild.plan.subject import SubjectError

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "model_type": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "safety_checker": None,
}
FILES = {"model_index.json": "0" * 64, "unet/config.json": "1" * 64, "LICENSE.md": "2" * 64}
NONE = Additions()
TOKENIZER = {"tokenizer/tokenizer_config.json": {"model_max_length": 77}}


def subject(index=INDEX, *, task=None, documents=TOKENIZER, files=FILES, additions=NONE):
    return make_pipeline(index, task=task, documents=documents, files=files, additions=additions)


def test_a_pipeline_says_its_class():
    assert is_pipeline(INDEX)
    assert not is_pipeline({"model_type": "bert"})


def test_the_task_is_the_pipelines_first_unless_it_is_given():
    assert subject().task.name == "text-to-image"
    assert subject(task="inpainting").model.auto_class == "AutoPipelineForInpainting"


def test_small_files_are_in_the_key_but_for_what_nobody_reads():
    assert subject().model.files == {"unet/config.json": "1" * 64}


def test_who_saved_it_is_not_in_the_key():
    assert subject({**INDEX, "_diffusers_version": "0.35.2"}).model == subject().model


def test_additions_are_in_the_key():
    document = document_of(subject(additions=Additions((("a.safetensors", 0.5),), 2)).model)
    assert (document["lora"], document["controlnets"]) == ([{"weights": "a.safetensors", "scale": 0.5}], 2)


@pytest.mark.parametrize(
    ("documents", "longest"),
    [
        (TOKENIZER, 77),
        ({**TOKENIZER, "tokenizer_2/tokenizer_config.json": {"model_max_length": 512}}, 512),
        ({"tokenizer/tokenizer_config.json": {"model_max_length": 10**30}}, None),
        ({"tokenizer/tokenizer_config.json": []}, None),
        ({}, None),
    ],
)
def test_prompts_are_as_long_as_the_tokenizer_says(documents, longest):
    assert subject(documents=documents).longest == longest


@pytest.mark.parametrize(("axis", "size", "fits"), [("height", 64, True), ("height", 65, False), ("width", 4, False)])
def test_images_are_whole_latents(axis, size, fits):
    assert (subject().misfit(axis, size) is None) == fits


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"index": {**INDEX, "model_type": "Other"}}, "model", "doesn't export a Other"),
        ({"task": "fill-mask"}, "task", "it is for text-to-image, image-to-image, inpainting"),
        ({"task": "inpainting", "additions": Additions(controlnets=1)}, "controlnet", "it does for StableDiffusionPipeline"),
    ],
)
def test_what_optimum_neuron_has_no_class_for_is_told(changes, key, message):
    with pytest.raises(SubjectError, match=message) as caught:
        subject(changes.pop("index", INDEX), **changes)
    assert caught.value.key == key
