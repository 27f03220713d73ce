from __future__ import annotations

import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Pooling

from neuronbuild.worker.sentences import SentenceGraph, pool
from tests.unit.plan.cases import make_action

POOLED = {"embedding_dimension": 384, "include_prompt": False}


def random_masks(generator: torch.Generator) -> torch.Tensor:
    """Three rows of seven, each of which keeps a run of any length, none included."""
    mask = torch.zeros(3, 7, dtype=torch.int64)
    for row in mask:
        start = int(torch.randint(0, 7, (), generator=generator))
        row[start : start + int(torch.randint(0, 8 - start, (), generator=generator))] = 1
    return mask


@pytest.mark.parametrize("mode", Pooling.POOLING_MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_is_that_of_sentence_transformers_whatever_the_masks(mode, dtype):
    theirs, generator = Pooling(5, mode, include_prompt=False), torch.Generator().manual_seed(0)
    for length in (0, 1, 3) * 20:
        tokens, mask = torch.randn(3, 7, 5, generator=generator).to(dtype), random_masks(generator)
        features = {"token_embeddings": tokens, "attention_mask": mask, "prompt_length": length}
        expected = theirs(features)["sentence_embedding"]
        kept = Pooling._exclude_prompt_from_mask(mask, length) if length else mask
        got = pool(tokens, mask, kept, mode)
        assert got.dtype == expected.dtype
        assert torch.allclose(got.float(), expected.float(), atol=1e-6 if dtype is torch.float32 else 1e-2, equal_nan=True)


def action(pooling, sizes):
    listed = {
        "": [
            {"name": str(i), "path": path, "type": f"sentence_transformers.models.{path or 'Transformer'}"}
            for i, path in enumerate(("", "Pooling"))
        ]
    }
    return make_action(task=None, documents={"modules.json": listed, "Pooling/config.json": pooling}, sizes=sizes).document


@pytest.mark.parametrize("length", [1, 2, 16])
def test_example_inputs_leave_a_prompt_out_where_the_graph_is_told_of_it(length):
    made = action(POOLED, {"batch_size": 2, "sequence_length": length})
    module = SentenceGraph(torch.nn.Module(), made)
    tensors = dict(zip(module.input_names, module.example(0), strict=True))
    assert list(tensors)[-1] == "pooling_mask"
    left = 2 if length > 2 else 0
    assert not tensors["pooling_mask"][:, :left].any()
    assert torch.equal(tensors["pooling_mask"][:, left:], tensors["attention_mask"][:, left:])
    assert (tensors["pooling_mask"].sum(1) > 0).all()
