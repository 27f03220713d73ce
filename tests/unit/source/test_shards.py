from __future__ import annotations

import json

import pytest

from neuronbuild.source.shards import LostShardsError, settle_shards

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
STALE = "model-00001-of-00003.safetensors"


def write_index(folder, *shards, name=INDEX):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"weight_map": {f"tensor{i}": shard for i, shard in enumerate(shards)}}))


def settle(folder, *names, present=()):
    return settle_shards("m", names, {*names, *present}, folder.joinpath)


def test_the_shards_of_an_index_are_the_weights(tmp_path):
    write_index(tmp_path, ONE, TWO)
    assert settle(tmp_path, INDEX, ONE, TWO, "config.json") == ["config.json", ONE, TWO, INDEX]


def test_a_shard_that_the_index_doesnt_name_is_left_out(tmp_path):
    write_index(tmp_path, ONE, TWO)
    assert settle(tmp_path, INDEX, ONE, STALE, TWO) == [ONE, TWO, INDEX]


def test_shards_are_taken_by_whatever_name_the_index_has_for_them(tmp_path):
    write_index(tmp_path, "part-a.safetensors", "parts/b.safetensors")
    assert settle(tmp_path, INDEX, present=["part-a.safetensors", "parts/b.safetensors", "c.safetensors"]) == [
        INDEX,
        "part-a.safetensors",
        "parts/b.safetensors",
    ]


def test_transformers_loads_one_file_before_shards(tmp_path):
    write_index(tmp_path, ONE, TWO)
    assert settle(tmp_path, INDEX, ONE, TWO, "model.safetensors") == ["model.safetensors"]


def test_diffusers_loads_shards_before_one_file(tmp_path):
    index, whole = "unet/diffusion_pytorch_model.safetensors.index.json", "unet/diffusion_pytorch_model.safetensors"
    shard = "unet/diffusion_pytorch_model-00001-of-00001.safetensors"
    write_index(tmp_path, shard.partition("/")[2], name=index)
    assert settle(tmp_path, index, whole, shard) == [shard, index]


def test_files_that_an_index_names_and_nobody_has_are_told(tmp_path):
    write_index(tmp_path, ONE, TWO)
    with pytest.raises(LostShardsError, match="missing though") as caught:
        settle(tmp_path, INDEX, ONE)
    assert caught.value.names == [TWO]


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "/etc/passwd", "..\\x", "a\0b", "", "C:x"])
def test_an_index_that_names_an_unsafe_path_is_refused(tmp_path, name):
    write_index(tmp_path, ONE, name)
    (tmp_path.parent / "elsewhere.safetensors").touch()
    with pytest.raises(LostShardsError, match="names a file that no model may have"):
        settle(tmp_path, INDEX, ONE)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weight_map": []}', '{"weight_map": {"a": []}}', "[" * 100_000])
def test_an_index_that_cant_be_read_is_told_itself(tmp_path, text):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(LostShardsError) as caught:
        settle(tmp_path, INDEX)
    assert caught.value.names == [INDEX]


def test_shards_of_a_part_are_looked_for_in_its_folder(tmp_path):
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    write_index(tmp_path, "one.safetensors", name=index)
    assert settle(tmp_path, index, present=["unet/one.safetensors"]) == [index, "unet/one.safetensors"]
    with pytest.raises(LostShardsError) as caught:
        settle(tmp_path, index, present=["one.safetensors"])
    assert caught.value.names == ["unet/one.safetensors"]
