from __future__ import annotations

import os

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.links import inside
from neuronbuild.source.local import FolderSource

CONFIG = b'{"model_type": "bert"}'
HASH = "ab" * 32


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "home/.ssh/id").write_text("private")
    (tmp_path / "home/.ssh/config.json").write_bytes(CONFIG)
    return tmp_path / "home/.ssh/id"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def resolve(model):
    return FolderSource(model.parent, DigestMemory(None)).resolve(str(model), None)


def cached(tmp_path, target, blob="models--a--b/blobs/hash"):
    """A commit's folder in the Hub's cache, whose LICENSE leads to a path from the cache."""
    commit = tmp_path / "hub/models--a--b/snapshots/commit"
    commit.mkdir(parents=True)
    (tmp_path / "hub" / blob).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "hub" / blob).write_text("blob")
    (commit / "config.json").write_bytes(CONFIG)
    (commit / "LICENSE").symlink_to(target)
    return commit


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE.txt", "tokenizer.json", "generation_config.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_link_that_leads_out_of_a_model_is_refused_by_name(model, secret, name, relative):
    link = model / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(os.path.relpath(secret, link.parent) if relative else secret)
    with pytest.raises(SourceError, match=f"{name} is, or lies behind, a link that leads out of it: to {secret}"):
        resolve(model)


def test_so_is_the_config_itself_and_it_is_not_read(model, secret):
    (model / "config.json").unlink()
    (model / "config.json").symlink_to(secret)
    with pytest.raises(SourceError, match=r"config\.json is, or lies behind, a link"):
        resolve(model)


def test_so_is_a_folder_that_is_a_link(model, secret):
    (model / "1_Pooling").symlink_to(secret.parent)
    with pytest.raises(SourceError, match=r"1_Pooling/config\.json is, or lies behind, a link"):
        resolve(model)


def test_so_is_a_chain_of_links(model, secret):
    (model / "first").symlink_to(secret)
    (model / "LICENSE").symlink_to("first")
    with pytest.raises(SourceError, match="LICENSE"):
        resolve(model)


def test_so_are_the_kernels_files(model):
    (model / "NOTICE").symlink_to("/proc/self/environ")
    with pytest.raises(SourceError, match="NOTICE"):
        resolve(model)


def test_a_link_that_no_model_is_made_of_counts_for_nothing(model, secret):
    (model / "notes.txt").symlink_to(secret)
    assert "notes.txt" not in resolve(model).snapshot.files


def test_links_within_a_model_and_to_a_model_are_allowed(model, tmp_path):
    (model / "real.txt").write_text("MIT")
    (model / "LICENSE").symlink_to("real.txt")
    (tmp_path / "alias").symlink_to(model)
    assert resolve(tmp_path / "alias").snapshot.files["LICENSE"].size == 3


def test_a_link_that_is_changed_later_is_refused_as_well(model, secret):
    (model / "LICENSE").write_text("private")
    opened = resolve(model)
    (model / "LICENSE").unlink()
    (model / "LICENSE").symlink_to(secret)
    with pytest.raises(SourceError, match="LICENSE"):
        opened.open_file("LICENSE")


@pytest.mark.parametrize("blob", ["models--a--b/blobs/hash", f"blobs/ab/{HASH}"])
def test_a_commit_in_the_hubs_cache_may_lead_to_the_caches_blobs(tmp_path, blob):
    commit = cached(tmp_path, f"../../../{blob}", blob)
    assert resolve(commit).snapshot.files["LICENSE"].size == 4
    assert inside("m", commit, "LICENSE") == commit / "LICENSE"


@pytest.mark.parametrize(
    "target", ["../../refs/main", "../../../models--c--d/blobs/hash", "../../../blobs/notes", "../../../../home/.ssh/id"]
)
def test_and_nowhere_else(tmp_path, secret, target):
    commit = cached(tmp_path, target)
    (commit / "x").mkdir()
    real = tmp_path / os.path.normpath(f"hub/models--a--b/snapshots/commit/{target}")
    real.parent.mkdir(parents=True, exist_ok=True)
    real.write_text("private")
    with pytest.raises(SourceError, match="LICENSE"):
        resolve(commit)


def test_a_blob_that_is_itself_a_link_out_is_refused(tmp_path, secret):
    commit = cached(tmp_path, "../../blobs/hash")
    blob = tmp_path / "hub/models--a--b/blobs/hash"
    blob.unlink()
    blob.symlink_to(secret)
    with pytest.raises(SourceError, match="LICENSE"):
        resolve(commit)
