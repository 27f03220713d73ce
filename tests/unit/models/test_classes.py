from __future__ import annotations

import shutil
import subprocess
import sys

import numpy
import pytest
import torch
from sentence_transformers import SentenceTransformer

import neuronbuild
from neuronbuild.errors import ReleaseError, ShapeError
from neuronbuild.models import MODEL_CLASSES, open_model
from neuronbuild.tasks import OWN_TASKS
from tests.conftest import ROOT

TEXTS = ["the cat sits on a mat", "who runs", "a dog", "the sun shines in the park", "it is red"]


@pytest.fixture(scope="module")
def sentences(built):
    return neuronbuild.NeuronSentenceTransformers.from_pretrained(built.releases["sentence-similarity"])


def test_every_task_has_its_class_under_the_name_that_the_task_table_gives():
    assert {task: each.__name__ for task, each in MODEL_CLASSES.items()} == {
        name: task.model_class for name, task in OWN_TASKS.items()
    }
    assert all(getattr(neuronbuild, each.__name__) is each for each in MODEL_CLASSES.values())


NEW_ROW = """
TEXT_TASKS += (
    Task("next-sentence", "AutoModelForNextSentencePrediction", "NeuronModelForNextSentence", "NextSentencePredictorOutput",
        _text({"logits": (BATCH, None)}), ("ForNextSentencePrediction",)),
)
"""
IS_USED = """
import neuronbuild, transformers
from neuronbuild.tasks import infer_task
made = neuronbuild.NeuronModelForNextSentence
assert made.task == "next-sentence" == infer_task(["BertForNextSentencePrediction"], sentence_transformers=False)
assert made.__name__ in transformers.AutoModelForNextSentencePrediction._model_mapping._model_mapping.values()
"""


def test_a_new_row_of_the_task_table_makes_its_class(tmp_path):
    shutil.copytree(ROOT / "neuronbuild", tmp_path / "neuronbuild", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "neuronbuild/tasks/table.py").open("a") as table:
        table.write(NEW_ROW)
    subprocess.run([sys.executable, "-c", IS_USED], cwd=tmp_path, check=True)


@pytest.mark.parametrize("task", MODEL_CLASSES)
def test_a_release_opens_with_the_class_of_its_task(built, task):
    assert type(open_model(built.releases[task])) is MODEL_CLASSES[task]


def test_what_is_no_release_doesnt_open(tmp_path):
    with pytest.raises(ReleaseError, match="it is no release"):
        open_model(tmp_path)


def test_sentences_are_embedded_in_their_order_whatever_their_number(sentences):
    together = sentences.encode(TEXTS)
    assert (together.shape, together.dtype) == ((5, 32), numpy.float32)
    alone = numpy.stack([sentences.encode(text) for text in TEXTS])
    assert numpy.allclose(together, alone, atol=1e-5)
    assert numpy.allclose(numpy.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_one_sentence_gives_one_vector_and_a_list_of_one_a_row(sentences):
    assert sentences.encode("the cat").shape == (32,)
    assert sentences.encode(["the cat"]).shape == (1, 32)


def test_a_compiled_release_says_what_sentence_transformers_says(sentences, models):
    theirs = SentenceTransformer(str(models["sentence-similarity"]), device="cpu")
    assert numpy.allclose(sentences.encode(TEXTS), theirs.encode(TEXTS), atol=1e-5)
    assert sentences.get_embedding_dimension() == theirs.get_embedding_dimension()
    with pytest.raises(ShapeError, match="sequence_length=66"):
        sentences.encode("cat " * 100)
    sentences.max_seq_length = theirs.max_seq_length = 16
    assert numpy.allclose(sentences.encode("cat " * 100), theirs.encode("cat " * 100), atol=1e-5)


def test_an_empty_sentence_has_an_embedding_too(sentences):
    assert numpy.isfinite(sentences.encode("")).all()


def test_sentence_outputs_are_had_by_name(sentences):
    output = sentences(torch.tensor([[2, 5, 6, 3]]))
    assert list(output) == ["token_embeddings", "sentence_embedding"]
    assert output.token_embeddings.shape == (1, 4, 32)
