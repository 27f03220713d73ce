"""Every task, from recipe to a loaded release that answers as eager PyTorch does."""

from __future__ import annotations

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild.models import MODEL_CLASSES
from tests.conftest import CLASSES

TEXTS = ["the cat sits on a mat", "who runs"]


def eager_outputs(folder, task, encoded):
    model = getattr(transformers, CLASSES[task]).from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**encoded)


def encode(folder, task):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(TEXTS, padding=True, return_tensors="pt")
    if task == "multiple-choice":
        return {name: tensor.unsqueeze(0) for name, tensor in encoded.items()}
    return dict(encoded)


@pytest.mark.parametrize("task", CLASSES)
def test_a_release_answers_as_eager_pytorch(task, models, built):
    encoded = encode(models[task], task)
    expected = eager_outputs(models[task], task, encoded)
    output = MODEL_CLASSES[task].from_pretrained(built.releases[task])(**encoded)
    assert type(output).__name__.startswith(type(expected).__name__[:12])
    for name in output:
        assert torch.allclose(output[name], expected[name], atol=1e-4), name


def test_sentence_embeddings_are_pooled_and_normalised_in_the_graph(models, built):
    encoded = encode(models["sentence-similarity"], "sentence-similarity")
    tokens = eager_outputs(models["sentence-similarity"], "feature-extraction", encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1)
    expected = torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)
    model = neuronbuild.NeuronSentenceTransformers.from_pretrained(built.releases["sentence-similarity"])
    assert torch.allclose(model(**encoded).sentence_embedding, expected, atol=1e-5)
    assert torch.allclose(torch.tensor(model.encode(TEXTS)), expected, atol=1e-5)
