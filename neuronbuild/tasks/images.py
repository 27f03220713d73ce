"""The rows of tasks that read images. Their channels and sizes are as the model's config says, unless a recipe says more."""

from __future__ import annotations

from neuronbuild.tasks.table import BATCH, FORWARD, SEQUENCE, Axes, Graph, Input, Task

CHANNELS, WIDTH, HEIGHT = "num_channels", "width", "height"
TEXT_BATCH, IMAGE_BATCH = "text_batch_size", "image_batch_size"

EXACT = frozenset({CHANNELS, WIDTH, HEIGHT})
"""Axes that nothing is padded along: a picture with a margin is another picture."""

OF_CONFIG: dict[str, int | None] = {CHANNELS: None, WIDTH: None, HEIGHT: None}


def _images(outputs: dict[str, Axes], further: dict[str, Axes] | None = None) -> tuple[Graph, ...]:
    """The one graph of a model that is given images alone."""
    pixels = Input("pixel_values", (BATCH, CHANNELS, HEIGHT, WIDTH), "float32")
    return (Graph(FORWARD, (BATCH, CHANNELS, WIDTH, HEIGHT), (pixels,), outputs, further=further or {}),)


_CLIP = Graph(
    FORWARD,
    (TEXT_BATCH, IMAGE_BATCH, SEQUENCE, CHANNELS, WIDTH, HEIGHT),
    (
        Input("input_ids", (TEXT_BATCH, SEQUENCE)),
        Input("pixel_values", (IMAGE_BATCH, CHANNELS, HEIGHT, WIDTH), "float32"),
        Input("attention_mask", (TEXT_BATCH, SEQUENCE)),
    ),
    {
        "logits_per_image": (IMAGE_BATCH, TEXT_BATCH),
        "logits_per_text": (TEXT_BATCH, IMAGE_BATCH),
        "text_embeds": (TEXT_BATCH, None),
        "image_embeds": (IMAGE_BATCH, None),
    },
    further={
        "text_model_output.last_hidden_state": (TEXT_BATCH, SEQUENCE, None),
        "text_model_output.pooler_output": (TEXT_BATCH, None),
        "vision_model_output.last_hidden_state": (IMAGE_BATCH, None, None),
        "vision_model_output.pooler_output": (IMAGE_BATCH, None),
    },
)
"""Scores every image against every text."""


IMAGE_TASKS: tuple[Task, ...] = (
    Task(
        name="image-classification",
        auto_class="AutoModelForImageClassification",
        model_class="NeuronModelForImageClassification",
        output_class="ImageClassifierOutput",
        graphs=_images({"logits": (BATCH, None)}),
        suffixes=("ForImageClassification", "ForImageClassificationWithTeacher"),
        labels=True,
        optional=OF_CONFIG,
    ),
    Task(
        name="semantic-segmentation",
        auto_class="AutoModelForSemanticSegmentation",
        model_class="NeuronModelForSemanticSegmentation",
        output_class="SemanticSegmenterOutput",
        graphs=_images({"logits": (BATCH, None, None, None)}),
        suffixes=("ForSemanticSegmentation",),
        labels=True,
        optional=OF_CONFIG,
        tag="image-segmentation",
    ),
    Task(
        name="object-detection",
        auto_class="AutoModelForObjectDetection",
        model_class="NeuronModelForObjectDetection",
        output_class="ModelOutput",
        graphs=_images(
            {"logits": (BATCH, None, None), "pred_boxes": (BATCH, None, None)}, {"last_hidden_state": (BATCH, None, None)}
        ),
        suffixes=("ForObjectDetection",),
        labels=True,
        optional=OF_CONFIG,
    ),
    Task(
        name="zero-shot-image-classification",
        auto_class="AutoModelForZeroShotImageClassification",
        model_class="NeuronModelForZeroShotImageClassification",
        output_class="ModelOutput",
        graphs=(_CLIP,),
        suffixes=("Model",),
        optional=OF_CONFIG,
    ),
)
