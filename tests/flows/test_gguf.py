"""A model in one GGUF file: compiled, unpacked once, released, and answering as transformers does from the same file."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

import neuronbuild
from tests.conftest import run_cli, write_recipe
from tests.tools.gguf_files import write_llama

SHAPES = {"batch_size": 1, "sequence_length": 24, "prefill_length": 8}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("gguf")
    write_llama(root / "tiny.gguf")
    write_recipe(root / "recipes/tiny.yaml", model="../tiny.gguf", shapes=SHAPES)
    done = run_cli("apply", "recipes", "--json", "-j", 2, cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def test_it_answers_as_transformers_does_from_the_same_file(place):
    model = neuronbuild.NeuronModelForCausalLM.from_pretrained(place / "releases/tiny-cpu")
    eager = transformers.AutoModelForCausalLM.from_pretrained(place, gguf_file="tiny.gguf", dtype=torch.float32).eval()
    inputs = model.tokenizer("the cat", return_tensors="pt")
    how = {"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False}
    assert torch.equal(model.generate(**inputs, **how), eager.generate(**inputs, **how))


@pytest.mark.parametrize("beside", [None, {"repetition_penalty": 1.6, "eos_token_id": 5, "min_new_tokens": 8}])
def test_settings_of_generation_are_those_that_transformers_goes_by(place, beside, tmp_path):
    """The file says which token ends a text; a `generation_config.json` beside it is not read (transformers 5.23)."""
    plain = transformers.AutoModelForCausalLM.from_pretrained(place, gguf_file="tiny.gguf", dtype=torch.float32).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(place, gguf_file="tiny.gguf")("the cat", return_tensors="pt")
    tokens = plain.generate(**inputs, do_sample=False, max_new_tokens=12, min_new_tokens=12)
    eos = int(tokens[0, inputs.input_ids.shape[1] + 3])
    write_llama(tmp_path / "tiny.gguf", eos=eos)
    if beside is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(beside))
    write_recipe(tmp_path / "recipes/tiny.yaml", model="../tiny.gguf", shapes=SHAPES)
    done = run_cli("apply", "recipes", "--cache", place / "cache", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model = neuronbuild.NeuronModelForCausalLM.from_pretrained(tmp_path / "releases/tiny-cpu")
    eager = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32).eval()
    expected = eager.generate(**inputs, max_new_tokens=12)
    assert torch.equal(model.generate(**inputs, max_new_tokens=12), expected)
    assert model.generation_config.eos_token_id == eager.generation_config.eos_token_id


def test_the_release_carries_what_the_file_held(place):
    release = place / "releases/tiny-cpu"
    theirs = transformers.AutoTokenizer.from_pretrained(place, gguf_file="tiny.gguf")
    assert transformers.AutoTokenizer.from_pretrained(release)("the").input_ids == theirs("the").input_ids
    assert json.loads((release / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    assert not list(release.glob("*.gguf"))


def test_other_weights_in_the_same_file_compile_nothing(place, tmp_path):
    write_llama(tmp_path / "tiny.gguf", seed=1)
    write_recipe(tmp_path / "recipes/tiny.yaml", model="../tiny.gguf", shapes=SHAPES)
    done = run_cli("apply", "recipes", "--json", "--cache", place / "cache", cwd=tmp_path)
    assert json.loads(done.stdout)["summary"] == {"steps": 2, "reused": 2, "built": 0, "failed": 0, "skipped": 0}
