"""The samples of docs/models.md, run one after another as they stand, over tiny models in the places of those named."""

from __future__ import annotations

import json
import re

import pytest
import transformers
from PIL import Image

from tests.conftest import GENERATOR, ROOT, make_model, write_sentence_modules
from tests.senses import make_sense_model

LONG = {"max_position_embeddings": 512}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("guide")
    small = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 120, **LONG}
    make_model(root / "classifier", "AutoModelForSequenceClassification", "distilbert", **small)
    make_model(root / "generator", "AutoModelForCausalLM", "llama", **GENERATOR, **LONG)
    write_sentence_modules(make_model(root / "embedder", "AutoModel", **LONG))
    make_sense_model(root / "viewer", "image-classification", "vit")
    Image.new("RGB", (60, 40), (200, 100, 0)).save(root / "cat.png")
    return root


def samples(folder) -> list[str]:
    text = (ROOT / "docs/models.md").read_text()
    for name, stand_in in (
        ("distilbert-base-uncased-finetuned-sst-2-english", folder / "classifier"),
        ("sentence-transformers/all-MiniLM-L6-v2", folder / "embedder"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", folder / "generator"),
        ("google/vit-base-patch16-224", folder / "viewer"),
    ):
        assert name in text
        text = text.replace(name, str(stand_in))
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_guides_samples_run_as_they_stand(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for sample in samples(folder):
        exec(compile(sample, "docs/models.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] in {"LABEL_0", "LABEL_1"}
    assert [len(row) for row in json.loads(printed[1])] == [2]
    assert printed[2] == "('batch_size', 'sequence_length')"
    assert printed[-1] == printed[-2]
    assert printed[-1] in {"LABEL_0", "LABEL_1"}
    assert 16 <= names["outputs"].shape[1] <= 32
    assert isinstance(names["model"].config, transformers.LlamaConfig)
    assert names["model"].shapes[-1] == {"batch_size": 1, "num_beams": 1, "sequence_length": 512}
