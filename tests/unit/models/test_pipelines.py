"""transformers' pipelines over compiled models: they say what they say of the eager model, and log no error."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.pipelines import PIPELINE_REGISTRY

import neuronbuild
from neuronbuild.errors import ReleaseError, UsageError
from neuronbuild.models.pipelines import pipeline
from neuronbuild.tasks import TASKS

PICTURE = Image.fromarray((np.random.default_rng(0).random((40, 60, 3)) * 255).astype("uint8"))
SOUND = np.random.default_rng(0).standard_normal(400).astype("float32")
CASES = {
    "feature-extraction": ("the cat sits", {}),
    "fill-mask": ("the [MASK] sits", {}),
    "text-classification": ("the cat sits", {"top_k": 3}),
    "token-classification": ("the cat sits", {}),
    "text-generation": ("the cat", {"max_new_tokens": 5, "do_sample": False}),
    "image-classification": (PICTURE, {}),
    "semantic-segmentation": (PICTURE, {}),
    "object-detection": (PICTURE, {"threshold": 0.0}),
    "zero-shot-image-classification": (PICTURE, {"candidate_labels": ["a", "b"], "hypothesis_template": "see {}"}),
    "audio-classification": (SOUND, {}),
    "automatic-speech-recognition": (SOUND, {}),
    "speech-seq2seq": (SOUND, {"generate_kwargs": {"max_new_tokens": 12, "num_beams": 2}}),
    "sentence-similarity": ("the cat sits", {}),
}


def plain(value):
    """What a pipeline gives, in numbers and words that can be compared."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Image.Image):
        return np.asarray(value).tolist()
    return round(float(value), 3) if isinstance(value, float | np.floating) else value


def alike(one, other) -> bool:
    """Whether two such values are the same, but for the last digit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return abs(one - other) < 2e-3 if isinstance(one, float) else one == other


@pytest.fixture
def errors(caplog):
    """What transformers logs, which keeps its records to itself."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    logger.removeHandler(caplog.handler)


def test_every_task_that_transformers_has_a_pipeline_for_is_here():
    able = {task for task, row in TASKS.items() if row.graphs and row.runs_in in PIPELINE_REGISTRY.supported_tasks}
    assert set(CASES) == able


def both(built, models, task):
    """transformers' pipelines for a task, over the compiled model and over the eager one, with the release's own parts."""
    name = TASKS[task].runs_in
    compiled = pipeline(name, built.releases[task])
    parts = {part: getattr(compiled, part) for part in ("tokenizer", "image_processor", "feature_extractor")}
    eager = getattr(transformers, TASKS[task].auto_class).from_pretrained(models[task]).eval()
    return compiled, transformers.pipeline(name, model=eager, device="cpu", **{k: v for k, v in parts.items() if v is not None})


@pytest.mark.parametrize("task", CASES)
def test_a_pipeline_says_what_it_says_of_the_eager_model(built, models, errors, task):
    given, options = CASES[task]
    compiled, reference = both(built, models, task)
    with torch.no_grad():
        assert alike(plain(compiled(given, **options)), plain(reference(given, **options)))
    assert errors() == []


def test_speech_takes_one_beam_where_nobody_asks_for_more_than_are_compiled(built, models):
    compiled, reference = both(built, models, "speech-seq2seq")
    said = compiled(SOUND, generate_kwargs={"max_new_tokens": 12})
    assert said == reference(SOUND, generate_kwargs={"max_new_tokens": 12, "num_beams": 1})
    assert said != reference(SOUND, generate_kwargs={"max_new_tokens": 12})


def test_speech_of_any_length_is_written_down(built, models):
    sound = np.random.default_rng(1).standard_normal(20_000).astype("float32")
    compiled, reference = both(built, models, "speech-seq2seq")
    options = {"return_timestamps": True, "generate_kwargs": {"max_new_tokens": 12, "num_beams": 2}}
    assert compiled(sound, **options) == reference(sound, **options)
    assert len(compiled(sound, **options)["chunks"]) > 1


def test_transformers_own_pipeline_takes_our_models(built, errors):
    model = neuronbuild.open_model(built.releases["image-classification"])
    found = transformers.pipeline("image-classification", model=model, image_processor=model.processor)(PICTURE)
    assert {each["label"] for each in found} == {"LABEL_0", "LABEL_1"}
    assert errors() == []


def test_a_loaded_model_and_other_names_of_a_task_will_do(built):
    model = neuronbuild.open_model(built.releases["token-classification"])
    assert pipeline("ner", model).model is model
    assert neuronbuild.pipeline("semantic-segmentation", built.releases["semantic-segmentation"]).task == "image-segmentation"


def test_a_model_is_compiled_where_the_cache_has_not_got_it(built, models, tmp_path):
    made = pipeline(
        "image-classification",
        models["image-classification"],
        export=True,
        batch_size=2,
        cache=str(built.cache),
        output=str(tmp_path),
        top_k=1,
    )
    assert made.model.shapes == [{"batch_size": 2, "num_channels": 3, "width": 32, "height": 32}]
    assert len(made(PICTURE)) == 1


@pytest.mark.parametrize("name", ["multiple-choice", "audio-xvector", "image-clasification", "text-to-audio"])
def test_a_pipeline_that_there_is_not_is_refused(built, name):
    with pytest.raises(UsageError, match=f"unknown pipeline '{name}'"):
        pipeline(name, built.releases["image-classification"])


def test_a_model_of_another_task_is_refused(built):
    with pytest.raises(UsageError, match="compiled for image-classification, no pipeline for object-detection can run it"):
        pipeline("object-detection", built.releases["image-classification"])


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ReleaseError, match="there is no such folder"):
        pipeline("fill-mask", tmp_path / "nowhere")
