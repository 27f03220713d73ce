from __future__ import annotations

import builtins
import json
import os

import pytest
import transformers

from neuronbuild.artifact.plain_files import READ, READ_FOLDERS, matching
from tests.conftest import write_tokenizer

AUTO = ("AutoConfig", "AutoTokenizer", "AutoProcessor", "AutoFeatureExtractor", "GenerationConfig", "Wav2Vec2Processor")
"""What reads a release's folder, with a processor of several parts."""

AUDIO = {"processor_class": "Wav2Vec2Processor", "feature_extractor_type": "Wav2Vec2FeatureExtractor"}


@pytest.fixture
def looked_for(tmp_path, monkeypatch):
    """Names in the test's folder that are looked for, whether they are there or not."""
    names: set[str] = set()

    def watch(module, name):
        real = getattr(module, name)

        def watched(path, *arguments, **named):
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{tmp_path}/"):
                names.add(os.path.relpath(path, tmp_path))
            return real(path, *arguments, **named)

        monkeypatch.setattr(module, name, watched)

    for module, name in ((os, "stat"), (os, "open"), (os, "scandir"), (os, "listdir"), (os.path, "isfile"), (builtins, "open")):
        watch(module, name)
    return names


def test_whatever_transformers_looks_for_in_a_folder_is_in_the_list(tmp_path, looked_for):
    write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(AUDIO))
    (tmp_path / "additional_chat_templates").mkdir()
    looked_for.clear()
    for name in AUTO:
        getattr(transformers, name).from_pretrained(tmp_path, local_files_only=True)
    files = looked_for - {".", *READ_FOLDERS}
    assert {"added_tokens.json", "chat_template.jinja", "processor_config.json", "vocab.txt"} < files
    assert files == {*matching(files, READ)}


def test_every_folder_that_a_name_lies_in_is_listed():
    assert {name.rpartition("/")[0] for name in READ} == {"", *READ_FOLDERS}


def test_a_name_is_matched_folder_by_folder():
    assert matching(["a/b/c.model", "b/c.model", "c.model"], ["*.model"]) == ["c.model"]
    assert matching(["a/b/c.model", "b/c.model", "c.model"], ["b/*"]) == ["b/c.model"]
