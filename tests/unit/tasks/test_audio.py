from __future__ import annotations

import pytest

from neuronbuild.tasks.audio import AUDIO_TASKS


@pytest.mark.parametrize("task", AUDIO_TASKS, ids=lambda task: task.name)
def test_sound_is_samples_without_a_mask(task):
    assert task.mandatory == task.axes == ("batch_size", "audio_sequence_length")
    [entry] = task.graphs[0].inputs
    assert (entry.name, entry.dtype) == ("input_values", "float32")


def test_labels_shape_every_head_but_that_of_letters():
    assert {task.name for task in AUDIO_TASKS if not task.labels} == {"automatic-speech-recognition"}
