from __future__ import annotations

import json

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import PIPELINE, SENTENCES, TRANSFORMERS
from neuronbuild.source.local import FolderSource
from neuronbuild.source.sentences import Placing, place_model


def listed(*paths: str, kinds=("Transformer", "Pooling", "Dense", "LayerNorm")) -> bytes:
    """A `modules.json` of modules in these folders."""
    return json.dumps(
        [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in zip(kinds, paths, strict=False)]
    ).encode()


def place(data: bytes) -> Placing:
    return place_model("org/name", SENTENCES, lambda name: data if name == "modules.json" else b"")


def write(folder, **files: bytes):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_models_of_other_layouts_are_as_they_are():
    for layout in (PIPELINE, TRANSFORMERS):
        placing = place_model("org/name", layout, lambda _: pytest.fail("nothing is to be read"))
        assert placing == Placing(layout)
        assert placing.places("org/name", ["b", "a/c"]) == {"a/c": "a/c", "b": "b"}


def test_a_transformer_at_the_root_stays_there():
    paths = ["config.json", "modules.json", "1_Pooling/config.json"]
    assert place(listed("", "1_Pooling")).places("org/name", paths) == {path: path for path in paths}


@pytest.mark.parametrize("folder", ["0_Transformer", "encoder", "a.b"])
def test_a_transformers_folder_becomes_the_root(folder):
    inner = ["config.json", "model.safetensors", "sentence_bert_config.json", "vocab.txt"]
    outer = ["config_sentence_transformers.json", "modules.json", "LICENSE", "1_Pooling/config.json"]
    stray = ["vocab.txt", "tokenizer.json", "sentence_bert_config.json", "model.safetensors"]
    placing = place(listed(f"{folder}/", "1_Pooling"))
    found = placing.places("org/name", [*(f"{folder}/{name}" for name in inner), *outer, *stray])
    assert found == {name: f"{folder}/{name}" for name in inner} | {name: name for name in outer}


def test_the_root_keeps_its_own_list_of_modules():
    found = place(listed("0_T", "1_Pooling")).places("org/name", ["0_T/modules.json", "0_T/config.json", "modules.json"])
    assert found["modules.json"] == "modules.json"


def test_two_models_are_refused():
    with pytest.raises(SourceError, match=r"two models: config.json, and 0_T/config.json"):
        place(listed("0_T")).places("org/name", ["config.json", "0_T/config.json", "modules.json"])


@pytest.mark.parametrize("path", ["../other", "/etc", "a/b", "..", ".", "a\\b"])
def test_folders_outside_the_model_are_refused(path):
    with pytest.raises(SourceError, match="which is no folder in it"):
        place(listed("", path))


@pytest.mark.parametrize("data", [b"", b"{}", b"[7]", b"[{}]", b'{"a": 1}', b"\xff", b"[" * 100_000])
def test_what_lists_no_modules_says_nothing_of_folders(data):
    assert place(data) == Placing(TRANSFORMERS)


def test_configs_and_weights_of_modules_are_selected_by_the_folders_that_are_named(tmp_path):
    folder = tmp_path / "model"
    pickled, own = "pytorch_model.bin", "model.safetensors"
    write(
        folder,
        **{
            "modules.json": listed("0_T", "pool[1]", "2_Dense", "3_LayerNorm"),
            "0_T/config.json": b'{"model_type": "bert"}',
            "0_T/model.safetensors": b"weights",
            "pool[1]/config.json": b"{}",
            f"pool[1]/{own}": b"not asked for",
            "2_Dense/config.json": b"{}",
            f"2_Dense/{own}": b"dense",
            f"2_Dense/{pickled}": b"dense again",
            "3_LayerNorm/config.json": b"{}",
            f"3_LayerNorm/{pickled}": b"norm",
            "other/config.json": b"{}",
        },
    )
    model = FolderSource(tmp_path, DigestMemory(None)).resolve("model", None)
    assert sorted(model.snapshot.files) == [
        "2_Dense/config.json",
        f"2_Dense/{own}",
        "3_LayerNorm/config.json",
        f"3_LayerNorm/{pickled}",
        "config.json",
        "model.safetensors",
        "modules.json",
        "pool[1]/config.json",
    ]
    assert model.open_file("model.safetensors").read_bytes() == b"weights"
    assert model.config["model_type"] == "bert"


def test_the_templates_of_a_transformers_folder_are_found(tmp_path):
    template = "additional_chat_templates/tool.jinja"
    write(
        tmp_path,
        **{
            "modules.json": listed("0_Transformer", "1_Pooling"),
            "0_Transformer/config.json": b'{"model_type": "bert"}',
            "0_Transformer/model.safetensors": b"weights",
            f"0_Transformer/{template}": b"{{ messages }}",
            "1_Pooling/config.json": b"{}",
        },
    )
    model = FolderSource(tmp_path, DigestMemory(None)).resolve(".", None)
    assert model.open_file(template).read_bytes() == b"{{ messages }}"
