"""Pipelines of diffusers that optimum-neuron exports, and its classes that run them; of whole models too. Plain data.

A pipeline takes the place of a model type: its class, as `model_index.json` names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.tasks.families import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.tasks.table import Task

TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING = "text-to-image", "image-to-image", "inpainting"

PACKAGE = "optimum.neuron"

COMPONENTS = ("text_encoder", "text_encoder_2", "unet", "transformer", "image_encoder")
"""Parts of pipelines that are compiled under their own names."""

CODERS = ("vae_encoder", "vae_decoder")
"""What is made of the one `vae` that every pipeline has."""


FLUX, PIXART = ("transformer", "text_encoder_2"), ("text_encoder",)
"""Parts of Flux and PixArt that the exporter has models of its own for."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline's class, optimum-neuron's class by task, and that which takes ControlNets, if one does.

    `own_way` are parts that the exporter makes by models of its own: with arguments that nothing changes, and with weights
    that it reads from the checkpoint anew, without any LoRA. `sharded` says that these can be spread over cores.
    """

    name: str
    loaders: Mapping[str, str]
    with_controlnets: Mapping[str, str]
    sharded: bool = False
    own_way: tuple[str, ...] = ()

    @property
    def family(self) -> Family:
        """As a model type: sequences are bounded by its tokenizer alone."""
        return Family(self.name, tuple(self.loaders))

    @property
    def takes_lengths(self) -> bool:
        """Whether prompts can have another length than the tokenizers' though there are two text encoders.

        Flux's can, by whatever task, but not those of a checkpoint that says itself that it is for inpainting.
        """
        return self.sharded and set(self.loaders) != {INPAINTING}


def _pipeline(name: str, controlled: str = "", *, own_way: tuple[str, ...] = (), **classes: str) -> Pipeline:
    tasks = {"text": TEXT_TO_IMAGE, "image": IMAGE_TO_IMAGE, "inpaint": INPAINTING}
    loaders = {tasks[key]: f"Neuron{kind}Pipeline" for key, kind in classes.items()}
    with_controlnets = {TEXT_TO_IMAGE: f"Neuron{controlled}Pipeline"} if controlled else {}
    return Pipeline(name, loaders, with_controlnets, own_way == FLUX, own_way)


PIPELINES: dict[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        _pipeline("FluxInpaintPipeline", own_way=FLUX, inpaint="FluxInpaint"),
        _pipeline("FluxKontextPipeline", own_way=FLUX, image="FluxKontext"),
        _pipeline("FluxPipeline", own_way=FLUX, text="Flux", inpaint="FluxInpaint"),
        _pipeline("LatentConsistencyModelPipeline", text="LatentConsistencyModel"),
        _pipeline("PixArtAlphaPipeline", own_way=PIXART, text="PixArtAlpha"),
        _pipeline("PixArtSigmaPipeline", own_way=PIXART, text="PixArtSigma"),
        _pipeline("StableDiffusionImg2ImgPipeline", image="StableDiffusionImg2Img"),
        _pipeline("StableDiffusionInpaintPipeline", inpaint="StableDiffusionInpaint"),
        _pipeline("StableDiffusionInstructPix2PixPipeline", image="StableDiffusionInstructPix2Pix"),
        _pipeline(
            "StableDiffusionPipeline",
            "StableDiffusionControlNet",
            text="StableDiffusion",
            image="StableDiffusionImg2Img",
            inpaint="StableDiffusionInpaint",
        ),
        _pipeline("StableDiffusionXLImg2ImgPipeline", image="StableDiffusionXLImg2Img"),
        _pipeline("StableDiffusionXLInpaintPipeline", inpaint="StableDiffusionXLInpaint"),
        _pipeline(
            "StableDiffusionXLPipeline",
            "StableDiffusionXLControlNet",
            text="StableDiffusionXL",
            image="StableDiffusionXLImg2Img",
            inpaint="StableDiffusionXLInpaint",
        ),
    )
}

THEIRS = {
    "NeuronModelForFeatureExtraction": "NeuronModelForEmbedding",
    "NeuronModelForSpeechSeq2Seq": "NeuronWhisperForConditionalGeneration",
}
"""optimum-neuron's names of classes that are called otherwise here, for what its exporter makes: decoders that embed."""


def adapter_folder(index: int) -> str:
    """The folder within a pipeline's that a LoRA goes into, and the name that it is fused by."""
    return f"lora_{index}"


def controlnet_folder(index: int) -> str:
    """The folder within a pipeline's that a ControlNet goes into: of the name that the exporter gives what it makes of it."""
    return f"controlnet_{index}"


def parts_of(config: Mapping[str, object], controlnets: int) -> list[str]:
    """The folders that the exporter compiles a pipeline into. A part that a pipeline can do without is null there."""
    there = [name for name in COMPONENTS if isinstance(config.get(name), list) and config[name] != [None, None]]
    return [*there, *CODERS, *(controlnet_folder(index) for index in range(controlnets))]


def loader_of(task: Task, family: Family, *, controlnets: bool) -> str:
    """The class of optimum-neuron that runs what its exporter made of a model, with its package.

    Raises:
        KeyError: no class takes ControlNets for this pipeline and task.
    """
    pipeline = PIPELINES.get(family.model_type)
    if pipeline is None:
        return f"{PACKAGE}.{THEIRS.get(task.model_class, task.model_class)}"
    classes = pipeline.with_controlnets if controlnets else pipeline.loaders
    return f"{PACKAGE}.{classes[task.name]}"
