from __future__ import annotations

import pytest

from neuronbuild.tasks import EXACT, TASKS
from neuronbuild.tasks.images import IMAGE_TASKS


@pytest.mark.parametrize("task", IMAGE_TASKS, ids=lambda task: task.name)
def test_what_images_are_like_may_be_left_to_the_config(task):
    assert set(task.axes) >= EXACT
    assert {axis for axis, size in task.optional.items() if size is None} == EXACT


@pytest.mark.parametrize("task", IMAGE_TASKS, ids=lambda task: task.name)
def test_pixels_are_float32_channels_first(task):
    [pixels] = [entry for entry in task.graphs[0].inputs if entry.name == "pixel_values"]
    assert (pixels.dtype, pixels.axes[1:]) == ("float32", ("num_channels", "height", "width"))


def test_what_must_be_given_is_the_batch():
    assert TASKS["image-classification"].mandatory == ("batch_size",)
    assert TASKS["zero-shot-image-classification"].mandatory == ("text_batch_size", "image_batch_size", "sequence_length")


def test_axes_and_inputs_are_in_the_order_that_optimum_neuron_has():
    task = TASKS["zero-shot-image-classification"]
    assert task.axes == ("text_batch_size", "image_batch_size", "sequence_length", "num_channels", "width", "height")
    assert [entry.name for entry in task.graphs[0].inputs] == ["input_ids", "pixel_values", "attention_mask"]
