from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.resolve import is_folder_reference, open_memory, resolve_model, user_cache
from tests.doubles.hub import COMMIT, HubDouble, lead_client_to, one_commit

CONFIG = {"config.json": b'{"model_type": "bert"}'}
ONLY_A_FOLDER = """
import sys
from pathlib import Path
from neuronbuild.source.resolve import open_memory, resolve_model
resolve_model(".", None, base=Path(sys.argv[1]), memory=open_memory())
print("huggingface_hub" in sys.modules)
"""


def resolve(reference, base, revision=None):
    return resolve_model(reference, revision, base=base, memory=DigestMemory(None)).snapshot


@pytest.mark.parametrize("reference", [".", "..", "./tiny", "../tiny", "/models/tiny", "~/tiny", "~"])
def test_a_path_is_a_folder_reference(reference):
    assert is_folder_reference(reference)


@pytest.mark.parametrize("reference", ["bert-base-uncased", "org/tiny", "package:tiny/weights", ".tiny", "tiny/."])
def test_anything_else_is_no_folder_reference(reference):
    assert not is_folder_reference(reference)


def test_a_folder_reference_goes_to_the_folder(tmp_path):
    (tmp_path / "config.json").write_bytes(CONFIG["config.json"])
    assert list(resolve(".", tmp_path).files) == ["config.json"]


def test_a_package_reference_goes_to_the_package(tmp_path, monkeypatch):
    (tmp_path / "tiny_resolved_package").mkdir()
    (tmp_path / "tiny_resolved_package/__init__.py").touch()
    (tmp_path / "tiny_resolved_package/config.json").write_bytes(CONFIG["config.json"])
    monkeypatch.syspath_prepend(tmp_path)
    assert list(resolve("package:tiny_resolved_package", Path("/absent")).files) == ["config.json"]


def test_any_other_reference_goes_to_the_hub(tmp_path, monkeypatch):
    with HubDouble({"org/tiny": one_commit(CONFIG)}) as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        assert resolve("org/tiny", tmp_path, "main").revision == COMMIT


def test_a_folder_of_the_same_name_does_not_hide_the_hub(tmp_path, monkeypatch):
    (tmp_path / "org/tiny").mkdir(parents=True)
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        with pytest.raises(SourceError, match="the Hub has no such model") as caught:
            resolve("org/tiny", tmp_path)
    assert "a folder's path starts with ./" in caught.value.hint


def test_a_folder_needs_no_hub_client(tmp_path):
    (tmp_path / "config.json").write_bytes(CONFIG["config.json"])
    done = subprocess.run([sys.executable, "-c", ONLY_A_FOLDER, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_cache_goes_where_the_user_says(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/quick")
    assert user_cache() == Path("/quick/neuronbuild")


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_is_in_the_home_folder_otherwise(value, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False) if value is None else monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert user_cache() == Path("/home/someone/.cache/neuronbuild")


def test_opening_the_memory_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    open_memory().save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reference", "written"), [("my-bert", "../my-bert"), ("./my-bert", "../my-bert"), ("beside", "./beside")]
)
def test_a_folder_of_that_name_nearby_is_mentioned(tmp_path, reference, written):
    for folder in ("my-bert", "recipes/beside"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(SourceError) as caught:
        resolve_model(reference, None, base=tmp_path / "recipes", memory=DigestMemory(None))
    assert f"write `model: {written}`" in str(caught.value)


def test_where_no_folder_is_nearby_none_is_mentioned(tmp_path):
    with pytest.raises(SourceError) as caught:
        resolve_model("./my-bert", None, base=tmp_path, memory=DigestMemory(None))
    assert "write" not in str(caught.value)


def test_the_very_folder_that_was_written_is_not_mentioned_however_its_place_is_told(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        resolve_model("./model", None, base=Path(), memory=DigestMemory(None))
    assert "write" not in str(caught.value)
    assert "write" not in str(caught.value.hint)
