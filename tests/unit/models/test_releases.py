from __future__ import annotations

import json

import pytest
from huggingface_hub import constants

import neuronbuild
from neuronbuild.errors import ReleaseError, SourceError
from neuronbuild.models.releases import copy_release, find_release
from tests.doubles.hub import HubDouble, lead_client_to, one_commit
from tests.flows.stores import contents


@pytest.fixture
def release(tmp_path):
    """What a copy looks at of a release: files, and an index that lists them."""
    folder = tmp_path / "one-cpu"
    (folder / "buckets").mkdir(parents=True)
    (folder / "buckets/model.pt2").write_bytes(b"code")
    (folder / "neuronbuild.json").write_text(json.dumps({"files": [{"path": "buckets/model.pt2"}]}))
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.gguf"])
def test_a_model_in_a_folder_or_file_is_told_with_how_to_compile_it(tmp_path, name):
    (tmp_path / name).write_text("{}")
    for place in (tmp_path, tmp_path / name):
        with pytest.raises(ReleaseError, match="pass export=True"):
            find_release(str(place), None)


def test_of_a_model_on_the_hub_no_weights_are_fetched(tmp_path, monkeypatch):
    files = {"config.json": b"{}", "model.safetensors": b"w" * 20_000}
    with HubDouble({"org/model": one_commit(files)}) as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        with pytest.raises(ReleaseError, match=r"it has no neuronbuild\.json on the Hub") as caught:
            neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/model")
        assert not [path for path in hub.paths("GET") if "safetensors" in path]
    assert "export=True" in caught.value.hint


NAMES = ["neuronbuild.json", "buckets/model.pt2"]


def test_a_copy_over_itself_changes_nothing(release):
    before = contents(release)
    copy_release(release, NAMES, release)
    assert contents(release) == before


def test_a_copy_replaces_a_release_whole(release, tmp_path):
    copy_release(release, NAMES, tmp_path / "copy")
    (release / "buckets/model.pt2").write_bytes(b"more")
    copy_release(release, NAMES, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(release)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "one-cpu"]


def test_what_a_release_doesnt_list_isnt_copied(release, tmp_path):
    (tmp_path / "private").write_bytes(b"secret")
    (release / "buckets/notes").symlink_to(tmp_path / "private")
    copy_release(release, NAMES, tmp_path / "copy")
    assert sorted(contents(tmp_path / "copy")) == sorted(NAMES)


def test_a_copy_replaces_nothing_else(release, tmp_path):
    copy_release(release, NAMES, tmp_path / "copy")
    (tmp_path / "copy/notes.txt").write_text("mine")
    before = contents(tmp_path / "copy")
    with pytest.raises(ReleaseError, match=r"the folder isn't empty: it holds notes\.txt"):
        copy_release(release, NAMES, tmp_path / "copy")
    assert contents(tmp_path / "copy") == before


def test_a_copy_into_the_release_itself_is_refused(release):
    with pytest.raises(ReleaseError, match="it lies in the release that is saved"):
        copy_release(release, NAMES, release / "copy")
    assert not (release / "copy").exists()


def test_a_release_on_the_hub_is_fetched_whole_and_found_again_without_it(release, tmp_path, monkeypatch):
    with HubDouble({"org/release": one_commit(contents(release))}) as hub:
        lead_client_to(hub.endpoint, tmp_path / "hub", monkeypatch)
        assert contents(find_release("org/release", None)) == contents(release)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert contents(find_release("org/release", None)) == contents(release)
    with pytest.raises(SourceError, match="no such release on the Hub that can be reached"):
        find_release("org/release", "v9")
