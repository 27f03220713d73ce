"""What every source of models keeps to, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from huggingface_hub import constants, hf_hub_download

from neuronbuild.digest import digest_bytes
from neuronbuild.errors import SourceError
from neuronbuild.source.base import Source
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.hub import HubSource
from neuronbuild.source.local import FolderSource, PackageSource
from tests.doubles.hub import HubDouble, lead_client_to, one_commit

MODEL = {
    "1_Pooling/config.json": b'{"word_embedding_dimension": 4}',
    "LICENSE": b"Do what you like.",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights" * 100,
    "tokenizer.json": b"{}",
}
BESIDE = {
    ".gitattributes": b"*",
    "README.md": b"# Tiny",
    "modeling_own.py": b"pass",
    "onnx/model.onnx": b"graph",
    "pytorch_model.bin": b"weights" * 100,
    "training_args.bin": b"args",
}
SHARDED = {
    "config.json": b'{"model_type": "bert"}',
    "pytorch_model-00001-of-00002.bin": b"one",
    "pytorch_model-00002-of-00002.bin": b"two",
    "pytorch_model.bin.index.json": b'{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", '
    b'"b": "pytorch_model-00002-of-00002.bin"}}',
}
OWN_CODE = MODEL | {"config.json": b'{"model_type": "own", "auto_map": {}}', "modeling_own.py": b"pass"}


@dataclass
class Place:
    """A source, a reference to a model that it knows once `put` is called, and one that it doesn't know."""

    source: Source
    reference: str
    absent: str
    put: Callable[[dict[str, bytes]], object]

    def resolve(self, files: dict[str, bytes], **options: bool):
        self.put(files)
        return self.source.resolve(self.reference, None, **options)


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def folder_place(tmp_path):
    return Place(
        FolderSource(tmp_path, DigestMemory(None)), "./tiny", "./absent", lambda files: write(tmp_path / "tiny", files)
    )


@pytest.fixture
def package_place(tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_seam_package"
    write(package, {"__init__.py": b""})
    monkeypatch.syspath_prepend(package.parent)
    source = PackageSource(DigestMemory(None))
    return Place(
        source, "package:tiny_seam_package/tiny", "package:absent_package/tiny", lambda files: write(package / "tiny", files)
    )


@pytest.fixture
def hub_place(tmp_path, monkeypatch):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        put = lambda files: hub.repos.update({"org/tiny": one_commit(files)})  # noqa: E731
        yield Place(HubSource(DigestMemory(None)), "org/tiny", "org/absent", put)


@pytest.fixture
def cache_place(hub_place, monkeypatch):
    def put(files):
        hub_place.put(files)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        for name in files:
            hf_hub_download("org/tiny", name, revision="main")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return Place(hub_place.source, "org/tiny", "org/absent", put)


@pytest.fixture(params=["folder", "package", "hub", "cache"])
def place(request):
    return request.getfixturevalue(f"{request.param}_place")


def test_a_model_is_the_digests_of_its_files(place):
    snapshot = place.resolve(MODEL).snapshot
    assert snapshot.model == place.reference
    assert snapshot.files == {name: digest_bytes(data) for name, data in MODEL.items()}


def test_a_model_in_shards_is_the_digests_of_its_files(place):
    assert place.resolve(SHARDED).snapshot.files == {name: digest_bytes(data) for name, data in SHARDED.items()}


def test_files_that_do_not_matter_are_left_out(place):
    assert set(place.resolve(MODEL | BESIDE).snapshot.files) == set(MODEL)


def test_pinning_twice_gives_the_same(place):
    assert place.resolve(MODEL).snapshot.digest == place.resolve(MODEL).snapshot.digest


def test_opened_files_hold_the_bytes_that_were_pinned(place):
    model = place.resolve(MODEL)
    assert {name: model.open_file(name).read_bytes() for name in model.snapshot.files} == MODEL


def test_json_files_are_read_through_the_model(place):
    model = place.resolve(MODEL)
    assert model.read_json("1_Pooling/config.json") == {"word_embedding_dimension": 4}
    assert model.read_json("generation_config.json") is None


def test_a_file_that_changed_since_is_refused(place):
    model = place.resolve(MODEL)
    path = model.open_file("model.safetensors")
    path.write_bytes(b"WEIGHTS" * 100)
    with pytest.raises(SourceError, match=r"model\.safetensors") as caught:
        model.open_file("model.safetensors")
    assert caught.value.hint


def test_the_config_comes_with_the_model(place):
    assert place.resolve(MODEL).config == {"model_type": "bert"}


def test_an_absent_model_is_refused_with_advice(place):
    with pytest.raises(SourceError) as caught:
        place.source.resolve(place.absent, None)
    assert caught.value.model == place.absent
    assert caught.value.hint


@pytest.mark.parametrize("config", [b"{}", b'{"model_type": 7}', b'["bert"]', b"{", b"\xff\xfe"])
def test_a_config_that_names_no_model_type_is_refused(place, config):
    with pytest.raises(SourceError, match=r"config\.json"):
        place.resolve(MODEL | {"config.json": config})


def test_a_model_without_a_config_is_refused_with_advice(place):
    with pytest.raises(SourceError) as caught:
        place.resolve({"model.safetensors": b"weights"})
    assert caught.value.hint


def test_code_of_its_own_is_refused_unless_trusted(place):
    with pytest.raises(SourceError, match="Python code of its own") as caught:
        place.resolve(OWN_CODE)
    assert "trusted or not" in caught.value.hint
    assert set(place.resolve(OWN_CODE, trust_remote_code=True).snapshot.files) == set(OWN_CODE)
