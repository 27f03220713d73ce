from __future__ import annotations

import pytest
import transformers

from neuronbuild.models import MODEL_CLASSES
from neuronbuild.tasks import OWN_TASKS


@pytest.mark.parametrize("task", OWN_TASKS)
def test_a_class_stands_among_those_that_transformers_knows_for_its_task(task):
    names = getattr(transformers, OWN_TASKS[task].auto_class)._model_mapping._model_mapping
    assert MODEL_CLASSES[task].__name__ in names.values()


def test_transformers_makes_its_own_models_as_before():
    config = transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    made = transformers.AutoModelForImageClassification.from_config(config)
    assert type(made).__name__ == "ViTForImageClassification"
    assert type(config) in transformers.AutoModelForImageClassification._model_mapping
    assert all(transformers.AutoModelForImageClassification._model_mapping.keys())
