from __future__ import annotations

import os

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.base import read_config, refuse_missing_adapter
from neuronbuild.source.files import PIPELINE, adapter


def config_file(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    return tmp_path


def test_a_config_is_read(tmp_path):
    assert read_config("m", config_file(tmp_path, '{"model_type": "bert"}')) == {"model_type": "bert"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": 7}', '{"hidden_size": 3}'])
def test_what_names_no_model_type_is_refused(tmp_path, text):
    with pytest.raises(SourceError, match=r"model m: its config\.json"):
        read_config("m", config_file(tmp_path, text))


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_a_config_nested_too_deep_is_refused(tmp_path, depth):
    with pytest.raises(SourceError, match=r"config\.json can't be read"):
        read_config("m", config_file(tmp_path, '{"model_type": "bert", "a": ' + "[" * depth + "]" * depth + "}"))


def test_a_pipe_is_not_waited_on(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(SourceError, match="no regular file"):
        read_config("m", tmp_path)


def test_a_missing_config_says_what_to_give(tmp_path):
    with pytest.raises(SourceError, match=r"it has no config\.json") as caught:
        read_config("m", tmp_path)
    assert caught.value.hint


def test_a_pipelines_class_stands_for_its_model_type(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert read_config("m", tmp_path, PIPELINE)["model_type"] == "FluxPipeline"


def test_a_lora_without_its_file_is_refused():
    refuse_missing_adapter("m", ["a.safetensors"], adapter("a.safetensors"))
    refuse_missing_adapter("m", [], PIPELINE)
    with pytest.raises(SourceError, match=r"it has no a\.safetensors") as caught:
        refuse_missing_adapter("m", [], adapter("a.safetensors"))
    assert "weights" in caught.value.hint
