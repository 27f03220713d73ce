from __future__ import annotations

import pytest

import neuronbuild
from neuronbuild.api import axes
from neuronbuild.errors import SourceError, UsageError


def test_the_axes_of_a_model_are_those_of_the_task_that_its_config_tells(models):
    found = axes(models["text-classification"])
    assert (found.task, found.model_class) == ("text-classification", "NeuronModelForSequenceClassification")
    assert (found.mandatory, found.optional) == (("batch_size", "sequence_length"), {})


def test_another_task_can_be_asked_for(models):
    assert axes(models["fill-mask"], "multiple-choice").mandatory == ("batch_size", "sequence_length", "num_choices")


def test_axes_that_may_be_left_out_come_with_what_they_are_then(models):
    found = axes(models["text-generation"])
    assert found.mandatory == ()
    assert found.optional == {"batch_size": 1, "prefill_length": 128, "sequence_length": 66, "num_beams": 1}


@pytest.mark.parametrize(
    ("task", "problem"),
    [("fil-mask", "did you mean 'fill-mask'"), ("text-generation", "model type 'bert' isn't supported for text-generation")],
)
def test_a_task_that_cant_be_is_told(models, task, problem):
    with pytest.raises(UsageError, match=problem):
        axes(models["fill-mask"], task)


@pytest.mark.parametrize("name", ["./nowhere", "a" * 5000])
def test_a_model_that_isnt_there_is_told(name):
    with pytest.raises(SourceError):
        axes(name)


def test_the_manager_answers_by_the_names_that_users_of_optimum_know(models):
    manager = neuronbuild.TasksManager
    assert manager.infer_task_from_model(models["question-answering"]) == "question-answering"
    constructor = manager.get_exporter_config_constructor(
        model_type="distilbert", exporter="neuron", task="text-classification"
    )
    assert constructor.func.get_mandatory_axes_for_task("text-classification") == ("batch_size", "sequence_length")
    assert (constructor().model_type, constructor().task) == ("distilbert", "text-classification")
    assert "fill-mask" in manager.get_supported_tasks_for_model_type("bert")


@pytest.mark.parametrize(
    "words",
    [
        {"model_type": "distilbart", "task": "fill-mask"},
        {"model_type": "bert", "task": "text-generation"},
        {"model_type": "bert", "task": "fill-mask", "exporter": "onnx"},
        {"model_type": "bert", "task": "fill-mask", "library_name": "timm"},
    ],
)
def test_the_manager_refuses_what_there_is_not(words):
    with pytest.raises(UsageError, match="unknown"):
        neuronbuild.TasksManager.get_exporter_config_constructor(**words)
