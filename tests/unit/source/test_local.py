from __future__ import annotations

import json
import sys

import pytest

from neuronbuild.digest import digest_bytes
from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import FolderSource, PackageSource

FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights", "1_Pooling/config.json": b"{}"}


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "tiny", FILES)
    return tmp_path / "tiny"


@pytest.fixture
def source(tmp_path):
    return FolderSource(tmp_path, DigestMemory(None))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that ships a model and must not be imported."""
    write(tmp_path / "site/tiny_model_package/weights", FILES)
    (tmp_path / "site/tiny_model_package/__init__.py").write_text("raise SystemExit")
    (tmp_path / "site/lone_module.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_a_relative_folder_counts_from_the_base(folder, source):
    snapshot = source.resolve("./tiny", None).snapshot
    assert snapshot.model == "./tiny"
    assert snapshot.revision is None
    assert snapshot.files == {name: digest_bytes(data) for name, data in FILES.items()}


def test_an_absolute_folder_needs_no_base(folder):
    source = FolderSource(folder / "elsewhere", DigestMemory(None))
    assert source.resolve(str(folder), None).open_file("model.safetensors") == folder / "model.safetensors"


def test_a_tilde_is_the_home_folder(folder, source, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert source.resolve("~/tiny", None).config == {"model_type": "bert"}


def test_the_home_of_an_unknown_user_is_no_folder(source):
    with pytest.raises(SourceError, match="no-such-user"):
        source.resolve("~no-such-user/tiny", None)


def test_a_missing_folder_is_named_in_full(source, tmp_path):
    with pytest.raises(SourceError, match=str(tmp_path / "absent")) as caught:
        source.resolve("./absent", None)
    assert "recipe" in caught.value.hint


def test_a_file_is_no_folder(folder, source):
    with pytest.raises(SourceError, match="no folder"):
        source.resolve("./tiny/config.json", None)


def test_a_folder_has_no_revisions(folder, source):
    with pytest.raises(SourceError, match="only models on the Hub have revisions"):
        source.resolve("./tiny", "main")


def test_hidden_folders_are_left_out(folder, source):
    write(folder, {".cache/config.json": b"{}"})
    assert set(source.resolve("./tiny", None).snapshot.files) == set(FILES)


def test_code_of_its_own_is_refused_unless_trusted(folder, source):
    write(folder, {"config.json": b'{"model_type": "own", "auto_map": {}}', "modeling_own.py": b"pass"})
    with pytest.raises(SourceError, match="Python code of its own") as caught:
        source.resolve("./tiny", None)
    assert "trusted or not" in caught.value.hint
    assert "modeling_own.py" in source.resolve("./tiny", None, trust_remote_code=True).snapshot.files


def test_a_file_that_changes_while_it_is_used_is_noticed(folder, source):
    model = source.resolve("./tiny", None)
    write(folder, {"model.safetensors": b"WEIGHTS"})
    with pytest.raises(SourceError, match=r"model\.safetensors changed"):
        model.open_file("model.safetensors")


def test_a_file_that_disappears_while_it_is_used_is_noticed(folder, source):
    model = source.resolve("./tiny", None)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"model\.safetensors"):
        model.open_file("model.safetensors")


def test_a_link_to_nothing_is_left_out(folder, source):
    (folder / "tokenizer.json").symlink_to(folder / "absent")
    assert set(source.resolve("./tiny", None).snapshot.files) == set(FILES)


@pytest.mark.usefixtures("package")
def test_a_package_is_found_without_importing_it():
    snapshot = PackageSource(DigestMemory(None)).resolve("package:tiny_model_package/weights", None).snapshot
    assert snapshot.files == {name: digest_bytes(data) for name, data in FILES.items()}
    assert "tiny_model_package" not in sys.modules


@pytest.mark.usefixtures("package", "folder")
def test_neither_folders_nor_packages_keep_their_files_from_change(source):
    assert not PackageSource(DigestMemory(None)).resolve("package:tiny_model_package/weights", None).immutable
    assert not source.resolve("./tiny", None).immutable


def test_a_missing_package_comes_with_the_command_that_installs_it():
    with pytest.raises(SourceError, match="some_absent_model") as caught:
        PackageSource(DigestMemory(None)).resolve("package:some_absent_model/weights", None)
    assert caught.value.hint == "pip install --no-deps some-absent-model"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["lone_module", "os", "tiny_model_package.weights", "tiny-model", "__main__", ""])
def test_what_is_no_package_is_refused(name):
    with pytest.raises(SourceError, match="no Python package"):
        PackageSource(DigestMemory(None)).resolve(f"package:{name}/weights", None)


@pytest.mark.usefixtures("package")
def test_a_folder_that_the_package_does_not_ship_is_refused():
    with pytest.raises(SourceError, match="ships no folder absent"):
        PackageSource(DigestMemory(None)).resolve("package:tiny_model_package/absent", None)


@pytest.mark.usefixtures("package")
def test_a_package_has_no_revisions():
    with pytest.raises(SourceError, match="only models on the Hub have revisions"):
        PackageSource(DigestMemory(None)).resolve("package:tiny_model_package/weights", "v1")


@pytest.mark.parametrize("name", ["./" + "a" * 5000, "./a\0b"])
def test_a_name_that_no_folder_can_have_is_refused(source, name):
    with pytest.raises(SourceError, match=r"that can't be a folder|there is no folder"):
        source.resolve(name, None)


def test_a_lost_shard_is_named(folder, source):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"1")
    with pytest.raises(SourceError, match=r"model-00002-of-00002\.safetensors can't be read, or is missing"):
        source.resolve("./tiny", None)
