"""Tasks of diffusion pipelines, which optimum-neuron exports and runs: they have no graphs of our own. Plain data."""

from __future__ import annotations

from neuronbuild.tasks.images import HEIGHT, WIDTH
from neuronbuild.tasks.table import BATCH, SEQUENCE, Task

IMAGES = "num_images_per_prompt"

STEP = 8
"""Pixels of one latent point: the exporter divides by it and drops the rest."""


def _diffusion(name: str, auto_class: str, tag: str = "") -> Task:
    """Sequences are as long as the pipeline's own tokenizer makes them."""
    return Task(
        name=name,
        auto_class=auto_class,
        model_class="",
        output_class="",
        graphs=(),
        optional={IMAGES: 1, SEQUENCE: None},
        tag=tag,
        whole=(BATCH, HEIGHT, WIDTH, IMAGES, SEQUENCE),
        multiples={HEIGHT: STEP, WIDTH: STEP},
    )


DIFFUSION_TASKS = (
    _diffusion("text-to-image", "AutoPipelineForText2Image"),
    _diffusion("image-to-image", "AutoPipelineForImage2Image"),
    _diffusion("inpainting", "AutoPipelineForInpainting", tag="image-to-image"),
)
