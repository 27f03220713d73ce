"""`run` where padding changes what a model says: refused for every task, whether or not transformers has a pipeline for it."""

from __future__ import annotations

import functools
import warnings

import pytest
import torch
import transformers

from neuronbuild.cli import answers
from neuronbuild.cli.answers import ANSWERS, answer
from neuronbuild.errors import ShapeError
from tests.conftest import CLASSES, make_model
from tests.tools.exported import open_forward
from tests.tools.sentences import fill_padding, widen
from tests.tools.tiny import OWN_ENCODER

TEN = "the cat sits on a mat in the red car"
QUESTION, CONTEXT = "who runs", f"{TEN} dog"
PROMPT, CHOICE = "the dog", f"{TEN} bad"

CASES = {
    "question-answering": ("mobilebert", [QUESTION, "the cat"], [QUESTION, CONTEXT]),
    "multiple-choice": ("roformer", [PROMPT, "runs", "sits in a park"], [PROMPT, CHOICE, "runs"]),
    "feature-extraction": ("mobilebert", [f"{TEN} who is it bad", "the cat"], [f"{TEN} who is it bad", f"{TEN} is it a house"]),
    "text-classification": ("convbert", ["the cat"], [f"{TEN} who is it bad"]),
}
"""By task: a family whose results change with padding, inputs of which one would be padded, and inputs of just 16 tokens."""


SHAPES = {
    "multiple-choice": [{"batch_size": 1, "num_choices": 4, "sequence_length": 16}],
    "feature-extraction": [{"batch_size": 1, "sequence_length": 16}, {"batch_size": 8, "sequence_length": 20}],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of a task, and the eager one."""

    @functools.cache
    def make(task: str):
        family, folder = CASES[task][0], tmp_path_factory.mktemp("models") / task
        make_model(folder, CLASSES[task], family, **OWN_ENCODER[family])
        widen(folder, 6)
        fill_padding(folder)
        shapes = SHAPES.get(task, [{"batch_size": 1, "sequence_length": 16}])
        model = open_forward(folder, task, CLASSES[task], shapes, split=len(shapes) > 1)
        assert model.padding_matters
        return model, getattr(transformers, CLASSES[task]).from_pretrained(folder).eval()

    return make


@pytest.fixture
def opened(made, monkeypatch):
    """The same, which `run` finds in whatever folder."""

    def get(task: str):
        monkeypatch.setattr(answers, "open_model", lambda _: made(task)[0])
        return made(task)

    return get


@pytest.mark.parametrize("task", CASES)
def test_a_text_that_would_be_padded_where_that_changes_results_is_refused_by_name(opened, task, tmp_path):
    opened(task)
    with pytest.raises(ShapeError, match="fit no compiled shape") as caught:
        answer(tmp_path, CASES[task][1], fit=False)
    assert caught.value.hint.startswith("padding changes this model's results: compile this length too")


@pytest.mark.parametrize("task", CASES)
def test_texts_of_just_a_compiled_length_are_answered(opened, task, tmp_path):
    opened(task)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert answer(tmp_path, CASES[task][2], fit=False)


def test_choices_that_fill_the_length_get_the_scores_of_the_eager_model_though_there_are_fewer_than_compiled(opened, tmp_path):
    model, eager = opened("multiple-choice")
    rows = answer(tmp_path, [PROMPT, CHOICE, "runs"], fit=False)
    encoded = model.tokenizer([PROMPT] * 2, [CHOICE, "runs"], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = eager(**{name: tensor[None] for name, tensor in encoded.items()}).logits[0].softmax(-1)
    assert torch.allclose(torch.tensor([row["score"] for row in rows]), expected, atol=1e-5)


def test_a_shape_of_just_the_length_is_taken_though_a_longer_one_costs_less(opened, tmp_path):
    model, eager = opened("feature-extraction")
    encoded = model.tokenizer([f"{TEN} who is it bad"] * 8, return_tensors="pt")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error", UserWarning)
        assert torch.allclose(model(**encoded).last_hidden_state, eager(**encoded).last_hidden_state, atol=1e-4)


def test_a_model_that_is_called_by_itself_warns_of_padding(opened):
    model, _ = opened("feature-extraction")
    with pytest.warns(UserWarning, match="padding changes this model's results: compile this length too"):
        model(**model.tokenizer(["the cat"], return_tensors="pt"))


def test_an_own_way_to_answer_can_not_forget_it(opened, tmp_path, monkeypatch):
    opened("text-classification")
    forgetful = {"text-classification": lambda trial, texts: [{"score": trial.model(**trial.encode(texts)).logits}]}
    monkeypatch.setattr(answers, "ANSWERS", {**ANSWERS, **forgetful})
    with pytest.raises(ShapeError, match="sequence_length=4"):
        answer(tmp_path, ["the cat"], fit=False)
