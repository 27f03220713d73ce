"""Every model type that the task table names, as a tiny real model: compiled, released, compared with eager PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from neuronbuild import NeuronModelForFeatureExtraction, NeuronModelForTokenClassification
from neuronbuild.tasks import FAMILIES
from tests.conftest import make_model, run_cli, write_recipe

OWN_SIZES = {
    "albert": {"embedding_size": 16, "num_hidden_groups": 1},
    "convbert": {"embedding_size": 32, "head_ratio": 1, "conv_kernel_size": 3},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "electra": {"embedding_size": 16},
    "esm": {"pad_token_id": 1, "mask_token_id": 4, "position_embedding_type": "absolute"},
    "flaubert": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "n_words": 120},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16, "num_feedforward_networks": 1},
    "modernbert": {"global_attn_every_n_layers": 1, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
    "roformer": {"embedding_size": 32},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "n_words": 120},
}
SAMPLE = {"distilbert", "roberta"}
"""Compiled in every run; all of them by `make soak`."""

CASES = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.soak) for name in FAMILIES]
TASKS = {
    "feature-extraction": ("AutoModel", NeuronModelForFeatureExtraction),
    "token-classification": ("AutoModelForTokenClassification", NeuronModelForTokenClassification),
}


@pytest.mark.parametrize("family", CASES)
def test_a_family_answers_as_eager_pytorch(family, tmp_path):
    task = "feature-extraction" if family in SAMPLE else "token-classification"
    auto_class, model_class = TASKS[task]
    model = make_model(tmp_path / "model", auto_class, family, **OWN_SIZES.get(family, {}))
    shapes = {"batch_size": 2, "sequence_length": 12}
    write_recipe(tmp_path / "recipes/r.yaml", name="r", model=str(model), task=task, shapes=shapes)
    done = run_cli("apply", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    release = Path(json.loads(done.stdout)["releases"][0]["folder"])
    length = 12 if FAMILIES[family].padding_matters else 9
    tokens = torch.randint(5, 100, (1, length), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = getattr(transformers, auto_class).from_pretrained(model).eval()(input_ids=tokens)
    output = model_class.from_pretrained(release)(input_ids=tokens)
    for name in output:
        assert torch.allclose(output[name], expected[name], atol=1e-4), name
