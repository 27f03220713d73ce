from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from neuronbuild.api.signing import refuse_exposed, sign_store
from neuronbuild.api.trusting import open_trust
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.errors import UsageError
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.location import open_store
from neuronbuild.store.names import snapshot_name
from neuronbuild.store.trust import SNAPSHOT, make_key, signers_of
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import key_of, put


def test_a_store_moves_from_one_key_to_the_next(tmp_path):
    old, new = make_key(tmp_path / "old"), make_key(tmp_path / "new")
    before = folders(tmp_path, signing_key=tmp_path / "old", trusted_keys=(old,))
    put(open_store(before.cache, open_trust(before)), 1)
    both = replace(before, signing_key=tmp_path / "new", trusted_keys=(old, new))
    assert sign_store(both, far=False) == (1, 0)
    assert sign_store(both, far=False) == (0, 0)
    after = replace(both, trusted_keys=(new,))
    assert open_store(after.cache, open_trust(after)).lookup(key_of(1)) is not None


def test_snapshots_that_are_trusted_are_signed_with_the_rest_and_others_never(tmp_path):
    old, new = make_key(tmp_path / "old"), make_key(tmp_path / "new")
    before = folders(tmp_path, signing_key=tmp_path / "old", trusted_keys=(old,))
    mine, heard = Snapshot("my/model", None, {}, "mit"), Snapshot("any/model", None, {}, "mit")
    open_store(before.cache, open_trust(before)).record_snapshot(mine)
    open_store(before.cache).record_snapshot(heard)
    both = replace(before, signing_key=tmp_path / "new", trusted_keys=(old, new))
    sign_store(both, far=False)
    objects = open_store(before.cache).objects
    said = [signers_of(objects.read(snapshot_name(each.digest.sha256)), kind=SNAPSHOT) for each in (mine, heard)]
    assert [set(each) for each in said] == [{old, new}, set()]
    assert verify_store(open_store(before.cache), repair=False).damages == ()


def test_what_isnt_trusted_isnt_signed(tmp_path):
    mine = make_key(tmp_path / "mine")
    settings = folders(tmp_path, signing_key=tmp_path / "mine", trusted_keys=(mine,))
    put(open_store(settings.cache), 1)
    assert sign_store(settings, far=False) == (0, 1)


def test_a_far_store_is_signed_when_asked_for(tmp_path):
    make_key(tmp_path / "mine")
    settings = folders(tmp_path, signing_key=tmp_path / "mine")
    put(open_store(settings.remotes[0].location), 1)
    assert sign_store(settings, far=True) == (1, 0)


def test_there_must_be_a_key(tmp_path):
    with pytest.raises(UsageError, match="no signing key") as caught:
        sign_store(folders(tmp_path), far=False)
    assert "cache keygen" in caught.value.hint


@pytest.fixture
def tree(tmp_path):
    """A git work tree."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "tree")], check=True)
    return tmp_path / "tree"


@pytest.mark.parametrize("path", ["key", "deep/not/there/key", "./key", "../tree/key"])
def test_a_key_that_git_would_commit_is_refused(tree, path):
    with pytest.raises(UsageError, match="doesn't ignore it") as caught:
        refuse_exposed(tree / path)
    assert ".gitignore" in caught.value.hint


def test_a_key_that_git_ignores_or_never_sees_is_fine(tree, tmp_path):
    (tree / ".gitignore").write_text("keys/\n*.key\n")
    for path in (tree / "keys/mine", tree / "deep/my.key", tmp_path / "elsewhere"):
        refuse_exposed(path)
    with pytest.raises(UsageError):
        refuse_exposed(tree / "mykeys")


def test_a_link_into_a_work_tree_is_seen_through(tree, tmp_path):
    (tmp_path / "link").symlink_to(tree)
    with pytest.raises(UsageError):
        refuse_exposed(tmp_path / "link/key")


def test_a_work_tree_of_another_place_in_the_environment_doesnt_answer(tree, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "other")], check=True)
    (tmp_path / "other/.gitignore").write_text("*\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    with pytest.raises(UsageError):
        refuse_exposed(tree / "key")


def test_without_git_a_key_in_a_work_tree_is_refused(tree, monkeypatch):
    (tree / ".gitignore").write_text("*\n")
    refuse_exposed(tree / "key")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError):
        refuse_exposed(tree / "key")
