from __future__ import annotations

import os

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.base import lost_shards, read_config, refuse_missing_adapter, refuse_remote_code
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


def test_code_that_a_model_brings_is_refused_unless_it_is_trusted():
    config = {"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}
    with pytest.raises(SourceError, match="Python code of its own") as caught:
        refuse_remote_code("m", config, trusted=False)
    assert "trusted or not" in (caught.value.hint or "")
    refuse_remote_code("m", config, trusted=True)
    refuse_remote_code("m", {"model_type": "bert"}, trusted=False)


INDEX = "model.safetensors.index.json"


def test_shards_that_an_index_names_and_nobody_has_are_told(tmp_path):
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}')
    assert lost_shards(tmp_path, [INDEX, "one.safetensors"]) == ["two.safetensors"]
    assert lost_shards(tmp_path, [INDEX, "one.safetensors", "two.safetensors"]) == []
    assert lost_shards(tmp_path, [INDEX, "model.safetensors"]) == []
    assert lost_shards(tmp_path, []) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weight_map": []}', '{"weight_map": {"a": []}}', "[" * 100_000])
def test_an_index_that_cant_be_read_is_told_itself(tmp_path, text):
    (tmp_path / INDEX).write_text(text)
    assert lost_shards(tmp_path, [INDEX]) == [INDEX]


def test_shards_of_a_part_are_looked_for_in_its_folder(tmp_path):
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    (tmp_path / "unet").mkdir()
    (tmp_path / index).write_text('{"weight_map": {"a": "one.safetensors"}}')
    assert lost_shards(tmp_path, [index]) == ["unet/one.safetensors"]
    assert lost_shards(tmp_path, [index, "unet/one.safetensors"]) == []


def test_a_pipelines_class_stands_for_its_model_type(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert read_config("m", tmp_path, PIPELINE)["model_type"] == "FluxPipeline"


def test_a_lora_without_its_file_is_refused():
    refuse_missing_adapter("m", ["a.safetensors"], adapter("a.safetensors"))
    refuse_missing_adapter("m", [], PIPELINE)
    with pytest.raises(SourceError, match=r"it has no a\.safetensors") as caught:
        refuse_missing_adapter("m", [], adapter("a.safetensors"))
    assert "weights" in caught.value.hint
