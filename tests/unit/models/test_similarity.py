from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers.util.similarity import SimilarityFunction

from neuronbuild.errors import InputError
from neuronbuild.models.similarity import Similarity
from neuronbuild.tasks.sentences import SIMILARITIES, Settings


def rows(count: int, seed: int, dtype=torch.float32) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)).to(dtype)


FORMS = {
    "tensors": lambda tensor: tensor,
    "an array": lambda tensor: tensor.numpy(),
    "a list of tensors": list,
    "a list of arrays": lambda tensor: list(tensor.numpy()),
    "a list of lists": lambda tensor: tensor.tolist(),
    "half precision": lambda tensor: tensor.half(),
    "bfloat16": lambda tensor: tensor.bfloat16(),
    "sparse tensors": lambda tensor: tensor.relu().to_sparse(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SIMILARITIES)
def test_scores_are_those_of_the_library_for_embeddings_of_every_form(name, form):
    ours, make = Similarity(Settings(similarity_fn_name=name)), FORMS[form]
    first, second, pairs = make(rows(4, 1)), make(rows(3, 2)), make(rows(4, 3))
    assert torch.allclose(
        ours.similarity(first, second), SimilarityFunction.to_similarity_fn(name)(first, second).float(), atol=1e-5
    )
    theirs = SimilarityFunction.to_similarity_pairwise_fn(name)(first, pairs)
    assert torch.allclose(ours.similarity_pairwise(first, pairs), theirs.float(), atol=1e-5)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_one_embedding_is_compared_with_many(name):
    ours, one, many = Similarity(Settings(similarity_fn_name=name)), rows(1, 1)[0], rows(3, 2)
    theirs = SimilarityFunction.to_similarity_fn(name)(one, many)
    assert ours.similarity(one, many).shape == theirs.shape == (1, 3)
    assert torch.allclose(ours.similarity(one, many), theirs, atol=1e-6)


def test_the_cosine_is_taken_where_the_files_say_nothing():
    assert Similarity(Settings()).similarity_fn_name == "cosine"


def test_another_function_may_be_set():
    ours = Similarity(Settings(similarity_fn_name="dot"))
    for name in (*SIMILARITIES, *(each for each in SimilarityFunction if each.value in SIMILARITIES)):
        ours.similarity_fn_name = name
        assert ours.similarity_fn_name == getattr(name, "value", name)
    ours.similarity_fn_name = None
    assert ours.similarity_fn_name == "cosine"
    with pytest.raises(InputError, match="no similarity 'maxsim'"):
        ours.similarity_fn_name = "maxsim"


@pytest.mark.parametrize(
    "strange", ["text", None, [np.zeros(2), np.zeros(3)], torch.zeros(3, 2), torch.zeros(3, 6, dtype=torch.int8)]
)
def test_what_cannot_be_compared_is_told(strange):
    with pytest.raises(InputError, match="embeddings"):
        Similarity(Settings()).similarity(strange, rows(3, 1))
