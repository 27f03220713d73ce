from __future__ import annotations

import pytest

from neuronbuild.tasks import OWN_TASKS, TASKS
from neuronbuild.tasks.diffusion import DIFFUSION_TASKS

every_task = pytest.mark.parametrize("task", DIFFUSION_TASKS, ids=lambda task: task.name)


@every_task
def test_they_are_whole_models_only(task):
    assert [graph.name for graph in task.every] == ["model"]
    assert task.name in TASKS
    assert task.name not in OWN_TASKS


@every_task
def test_batch_and_size_of_images_must_be_given(task):
    assert task.mandatory == ("batch_size", "height", "width")
    assert task.optional["num_images_per_prompt"] == 1
