from __future__ import annotations

import pytest

from neuronbuild.tasks import FAMILIES, PIPELINES, TASKS, loader_of, parts_of

INDEX = {
    "model_type": "StableDiffusionXLPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": [None, None],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "image_encoder": None,
    "vae": ["diffusers", "AutoencoderKL"],
}


def test_a_pipeline_is_named_once_and_none_is_a_model_type():
    assert list(PIPELINES) == [pipeline.name for pipeline in PIPELINES.values()] == sorted(PIPELINES)
    assert not set(PIPELINES) & set(FAMILIES)


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_a_pipeline_has_a_class_for_each_of_its_tasks(pipeline):
    assert pipeline.family.tasks
    for task in pipeline.family.tasks:
        assert loader_of(TASKS[task], pipeline.family, controlnets=False).startswith("optimum.neuron.Neuron")
    assert set(pipeline.with_controlnets) <= set(pipeline.family.tasks)


def test_controlnets_have_a_class_of_their_own():
    family = PIPELINES["StableDiffusionPipeline"].family
    found = loader_of(TASKS["text-to-image"], family, controlnets=True)
    assert found == "optimum.neuron.NeuronStableDiffusionControlNetPipeline"
    with pytest.raises(KeyError):
        loader_of(TASKS["inpainting"], family, controlnets=True)


@pytest.mark.parametrize(
    ("task", "family", "loader"),
    [
        ("text-generation", "llama", "NeuronModelForCausalLM"),
        ("speech-seq2seq", "whisper", "NeuronWhisperForConditionalGeneration"),
        ("feature-extraction", "qwen3", "NeuronModelForEmbedding"),
    ],
)
def test_other_whole_models_have_classes_too(task, family, loader):
    assert loader_of(TASKS[task], FAMILIES[family], controlnets=False) == f"optimum.neuron.{loader}"


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_parts_that_the_exporter_has_models_for_are_those_of_flux_and_pixart(pipeline):
    expected = {"Flux": ("transformer", "text_encoder_2"), "PixA": ("text_encoder",)}
    assert pipeline.own_way == expected.get(pipeline.name[:4], ())
    assert pipeline.sharded == pipeline.name.startswith("Flux")
    assert pipeline.takes_lengths == (pipeline.name in {"FluxPipeline", "FluxKontextPipeline"})


def test_parts_are_those_that_a_pipeline_has():
    assert parts_of(INDEX, 0) == ["text_encoder", "unet", "vae_encoder", "vae_decoder"]
    assert parts_of({**INDEX, "text_encoder_2": ["transformers", "X"]}, 2)[1] == "text_encoder_2"
    assert parts_of(INDEX, 2)[-2:] == ["controlnet_0", "controlnet_1"]
