from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.worker.model_patches import patched
from tests.conftest import SIZES
from tests.tools.tiny import OWN_ENCODER

IDS = torch.arange(5, 21).reshape(2, 8)


@pytest.fixture(params=["xlm", "flaubert"])
def model(request):
    torch.manual_seed(0)
    config = transformers.CONFIG_MAPPING[request.param](**{**SIZES, **OWN_ENCODER[request.param]})
    return transformers.AutoModelForSequenceClassification.from_config(config).eval()


@torch.no_grad()
def test_negative_token_types_say_none_where_zeros_dont(model):
    def answer(**given):
        return model(input_ids=IDS, **given).logits

    none, zeros = answer(), answer(token_type_ids=torch.zeros_like(IDS))
    assert patched(model) is model
    assert torch.equal(answer(token_type_ids=torch.full_like(IDS, -1)), none)
    assert torch.equal(answer(token_type_ids=torch.zeros_like(IDS)), zeros)
    assert not torch.allclose(none, zeros)
