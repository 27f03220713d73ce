"""Model types of text that the task table names, as tiny real models: compiled, released, compared with eager PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from neuronbuild import (
    NeuronModelForCausalLM,
    NeuronModelForFeatureExtraction,
    NeuronModelForSeq2SeqLM,
    NeuronModelForTokenClassification,
)
from neuronbuild.runtime.reader import read_index
from neuronbuild.tasks import families_for
from tests.conftest import make_model, run_cli, write_recipe
from tests.tools.tiny import OWN_ENCODER, tiny_answerer, tiny_decoder

SAMPLE = {"roberta"}
"""Compiled in every run, beside the BERT of `built` and the DistilBERT of the guide; all of them by `make soak`."""

CASES = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.soak) for name in families_for("token-classification")]
TASKS = {
    "feature-extraction": ("AutoModel", NeuronModelForFeatureExtraction),
    "token-classification": ("AutoModelForTokenClassification", NeuronModelForTokenClassification),
}


@pytest.mark.parametrize("family", CASES)
def test_a_family_answers_as_eager_pytorch(family, tmp_path):
    task = "feature-extraction" if family in SAMPLE else "token-classification"
    auto_class, model_class = TASKS[task]
    model = make_model(tmp_path / "model", auto_class, family, **OWN_ENCODER.get(family, {}))
    shapes = {"batch_size": 2, "sequence_length": 12}
    write_recipe(tmp_path / "recipes/r.yaml", name="r", model=str(model), task=task, shapes=shapes)
    done = run_cli("apply", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    release = Path(json.loads(done.stdout)["releases"][0]["folder"])
    length = 12 if read_index(release).padding_matters else 9
    tokens = torch.randint(5, 100, (1, length), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = getattr(transformers, auto_class).from_pretrained(model).eval()(input_ids=tokens)
    output = model_class.from_pretrained(release)(input_ids=tokens)
    for name in output:
        assert torch.allclose(output[name], expected[name], atol=1e-4), name


GENERATORS = {
    "text-generation": (tiny_decoder, NeuronModelForCausalLM, {"sequence_length": 32, "prefill_length": 8}),
    "text2text-generation": (tiny_answerer, NeuronModelForSeq2SeqLM, {"sequence_length": 24}),
}


@pytest.mark.soak
@pytest.mark.parametrize(("task", "family"), [(task, name) for task in GENERATORS for name in families_for(task)])
def test_a_family_writes_what_eager_transformers_writes(task, family, tmp_path):
    make, model_class, lengths = GENERATORS[task]
    eager = make(family)
    eager.save_pretrained(tmp_path / "model")
    shapes = {"batch_size": 1, "num_beams": 1, **lengths}
    write_recipe(tmp_path / "recipes/r.yaml", name="r", model=str(tmp_path / "model"), task=task, shapes=shapes)
    done = run_cli("apply", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compiled = model_class.from_pretrained(json.loads(done.stdout)["releases"][0]["folder"])
    tokens = torch.randint(5, 100, (1, 11), generator=torch.Generator().manual_seed(0))
    how = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "max_new_tokens": 12, "do_sample": False}
    assert torch.equal(compiled.generate(**how), eager.generate(**how))
