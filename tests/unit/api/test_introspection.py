from __future__ import annotations

import json

import pytest
import transformers

import neuronbuild
from neuronbuild.api import axes
from neuronbuild.errors import SourceError, UsageError
from tests.conftest import ROOT


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
    [
        ("fil-mask", "did you mean 'fill-mask'"),
        ("masked-lm", "here it is fill-mask"),
        ("text-generation", "model type 'bert' isn't supported for text-generation"),
    ],
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


def test_the_guide_of_optimum_neuron_runs_as_it_is_written(models):
    manager = neuronbuild.TasksManager
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(models["question-answering"])
    task = manager.infer_task_from_model(model)
    constructor = manager.get_exporter_config_constructor(model=model, exporter="neuron", task="question-answering")
    assert constructor.func.get_mandatory_axes_for_task(task) == ("batch_size", "sequence_length")
    tasks = manager.get_supported_tasks_for_model_type("distilbert", "neuron", library_name="transformers")
    assert sorted(tasks.keys()) == [
        "feature-extraction",
        "fill-mask",
        "multiple-choice",
        "question-answering",
        "sentence-similarity",
        "text-classification",
        "token-classification",
    ]
    assert tasks["fill-mask"]().task == "fill-mask"


def calls(name: str) -> dict:
    """Keywords of one of optimum's calls with the defaults that are told."""
    words = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())
    return {key: value for key, value in words["calls"][f"TasksManager.{name}"].items() if value != "<HUGGINGFACE_HUB_CACHE>"}


def test_every_keyword_of_optimums_is_taken_at_its_default(models):
    manager = neuronbuild.TasksManager
    assert manager.infer_task_from_model(models["fill-mask"], **calls("infer_task_from_model")) == "fill-mask"
    assert manager.infer_task_from_model(models["fill-mask"], revision="main", token=True) == "fill-mask"
    assert "fill-mask" in manager.get_supported_tasks_for_model_type(
        "bert", "neuron", **calls("get_supported_tasks_for_model_type")
    )
    keywords = calls("get_exporter_config_constructor") | {"model_type": "bert"}
    assert manager.get_exporter_config_constructor("neuron", **keywords)().task == "feature-extraction"


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ({"subfolder": "x"}, "unknown argument 'subfolder'; name the folder itself in `model`"),
        ({"token": "hf_secret"}, "unknown argument 'token'; set HF_TOKEN"),
        ({"cache_dir": "/x"}, "unknown argument 'cache_dir'"),
        ({"revison": "x"}, "unknown argument 'revison'; did you mean 'revision'"),
    ],
)
def test_a_keyword_that_would_say_something_is_refused(models, keyword, words):
    with pytest.raises(UsageError, match=words) as caught:
        neuronbuild.TasksManager.infer_task_from_model(models["fill-mask"], **keyword)
    assert "hf_secret" not in str(caught.value)


def test_a_folder_has_no_other_revisions(models):
    with pytest.raises(SourceError, match="only models on the Hub have revisions"):
        neuronbuild.TasksManager.infer_task_from_model(models["fill-mask"], revision="v1")


def test_the_manager_needs_a_model_or_its_type():
    with pytest.raises(UsageError, match="give a model or a model_type"):
        neuronbuild.TasksManager.get_exporter_config_constructor("neuron", task="fill-mask")


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
