from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.api import trusting
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.api.sharing import pull, push
from neuronbuild.api.trusting import open_trust
from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.manifest import FileEntry, Manifest
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import UsageError
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.names import ACTIONS, action_name, blob_name, snapshot_name
from neuronbuild.store.provenance import provenance
from neuronbuild.store.transfer import copy_artifact
from neuronbuild.store.trust import Trust, make_key, open_signer
from tests.unit.api.shared import folders
from tests.unit.artifact.actions import convert_action
from tests.unit.store.artifacts import contents, get, key_of, put

WEIGHTS = digest_bytes(b"weights")


@pytest.fixture
def shared(tmp_path):
    """Settings, the near store and the far one."""
    settings = folders(tmp_path)
    return settings, open_store(settings.cache), open_store(settings.remotes[0].location)


def converted(store, weights=WEIGHTS) -> Manifest:
    """An artifact that holds a model's weights."""
    action = convert_action({"model.safetensors": weights.sha256})
    files = (FileEntry("weights.safetensors", store.add_bytes(b"converted")),)
    manifest = Manifest(action_key(action), action, files, provenance(1.0))
    store.record(manifest)
    return manifest


def learn(settings, snapshot: Snapshot) -> None:
    """What an `apply` with this model comes to know of it."""
    Context.open(settings).sharing.learn(snapshot)


def test_a_push_sends_what_is_lacking_and_a_pull_brings_it(shared, tmp_path):
    settings, near, far = shared
    put(near, 1)
    put(near, 2)
    put(far, 2)
    (moved,) = push(None, settings)
    assert (moved.artifacts, moved.present, moved.failures) == (1, 1, ())
    assert get(far, 1, tmp_path) == contents(1)
    other = replace(settings, cache=str(tmp_path / "other"))
    (moved,) = pull(None, other)
    assert (moved.artifacts, moved.present) == (2, 0)
    assert get(open_store(other.cache), 2, tmp_path) == contents(2)
    assert moved.as_json() | {"bytes": 0, "from": "", "to": ""} == {
        "version": 1, "from": "", "to": "", "artifacts": 2, "present": 0, "signed": 0, "bytes": 0, "left_out": [],
        "failures": [],
    }  # fmt: skip


def test_snapshots_go_along(shared):
    settings, near, far = shared
    snapshot = Snapshot("my/model", "c1", {"config.json": digest_bytes(b"{}")}, "mit")
    near.record_snapshot(snapshot)
    push(None, settings)
    assert far.objects.read(snapshot_name(snapshot.digest.sha256))


def test_weights_without_a_licence_are_left_out_and_said_so(shared):
    settings, near, far = shared
    manifest = converted(near)
    learn(settings, Snapshot("my/model", None, {"model.safetensors": WEIGHTS}))
    (moved,) = push(None, settings)
    assert moved.artifacts == 0
    assert "my/model aren't shared: it states no licence" in moved.left_out[0]
    assert far.lookup(manifest.key) is None
    (moved,) = push(None, replace(settings, share_weights=("my/model",)))
    assert (moved.artifacts, moved.left_out) == (1, ())


def test_a_far_snapshot_frees_no_weights(shared):
    settings, near, far = shared
    manifest = converted(near)
    learn(settings, Snapshot("my/model", None, {"model.safetensors": WEIGHTS}))
    far.record_snapshot(Snapshot("any/model", None, {"model.safetensors": WEIGHTS}, "mit"))
    pull(None, settings)
    for leave in ((), ("any/model",)):
        (moved,) = push(None, replace(settings, share_weights=leave))
        assert (moved.artifacts, len(moved.left_out)) == (0, 1)
    assert far.lookup(manifest.key) is None


def test_damage_is_told_and_doesnt_stop_the_rest(shared):
    settings, near, far = shared
    put(near, 1)
    put(near, 2)
    near.objects.write(blob_name(digest_bytes(contents(1)["model.pt2"]).sha256), bytes(40))
    (moved,) = push(None, settings)
    assert moved.artifacts == 1
    assert "holds other bytes" in moved.failures[0]
    assert far.lookup(key_of(2)) is not None


def test_without_a_far_store_it_says_how_to_name_one(shared):
    settings = replace(shared[0], remotes=())
    for share in (push, pull):
        with pytest.raises(UsageError, match="no far store") as caught:
            share(None, settings)
        assert "--remote" in caught.value.hint
    read_only = replace(settings, remotes=(Remote(shared[0].remotes[0].location, read_only=True),))
    with pytest.raises(UsageError, match="to push to"):
        push(None, read_only)


def test_recipes_choose_what_goes(settings, recipe, tmp_path):
    settings = replace(settings, remotes=(Remote(str(tmp_path / "far")),))
    (moved,) = push(recipe(), settings)
    (each,) = prepare(recipe(), Context.open(settings))
    far = open_store(str(tmp_path / "far"))
    kinds = sorted(str(manifest.action.kind) for manifest in far.manifests())
    assert kinds == ["check", "compile"]
    assert far.lookup(each.steps[0][1].key) is not None
    assert moved.failures == ()
    (moved,) = push(recipe("rest", shapes={"batch_size": 7, "sequence_length": 8}), settings)
    assert "isn't there" in moved.failures[0]


def test_models_go_along_when_asked_for_and_allowed(settings, recipe, models, tmp_path):
    settings = replace(settings, remotes=(Remote(str(tmp_path / "far")),))
    (moved,) = push(recipe(), settings, weights=True)
    assert "states no licence" in moved.left_out[0]
    (moved,) = push(recipe(), replace(settings, share_weights=(str(models["fill-mask"]),)), weights=True)
    assert moved.left_out == ()
    (each,) = prepare(recipe(), Context.open(settings))
    far = open_store(str(tmp_path / "far"))
    assert all(far.objects.size(blob_name(d.sha256)) == d.size for d in each.model.snapshot.files.values())


@pytest.fixture
def signed(shared, tmp_path):
    """Settings of a builder with a key that it trusts, and its two stores."""
    public = make_key(tmp_path / "key")
    settings = replace(shared[0], signing_key=tmp_path / "key", trusted_keys=(public,))
    trust = open_trust(settings)
    return settings, open_store(settings.cache, trust), open_store(settings.remotes[0].location, trust)


def test_a_push_adds_the_signature_that_the_far_copy_lacks(signed, shared):
    settings, near, far = signed
    put(near, 1)
    put(near, 2)
    for key in (key_of(1), key_of(2)):
        copy_artifact(near, far, key)
    bare = json.loads(far.objects.read(action_name(key_of(1))))
    del bare["signatures"]
    far.objects.write(action_name(key_of(1)), json.dumps(bare).encode())
    assert far.lookup(key_of(1)) is None
    (moved,) = push(None, settings)
    assert (moved.artifacts, moved.present, moved.signed, moved.failures) == (0, 2, 1, ())
    assert far.lookup(key_of(1)) is not None
    assert push(None, settings)[0].signed == 0


def test_a_push_replaces_another_build_that_nobody_signed(signed, shared):
    settings, near, far = signed
    put(shared[2], 1, 600)
    mine = put(near, 1)
    (moved,) = push(None, settings)
    assert (moved.signed, moved.failures) == (1, ())
    assert far.lookup(key_of(1)) == mine


def test_a_push_leaves_another_build_that_somebody_signed(signed, tmp_path):
    settings, near, far = signed
    make_key(tmp_path / "other")
    theirs = open_store(far.location, Trust((), open_signer(tmp_path / "other")))
    put(theirs, 1, 600)
    before = far.objects.read(action_name(key_of(1)))
    put(near, 1)
    (moved,) = push(None, settings)
    assert moved.signed == 0
    assert "isn't trusted here: it stays" in moved.failures[0]
    assert far.objects.read(action_name(key_of(1))) == before


def test_a_pull_brings_signatures_too(signed):
    settings, near, far = signed
    put(near, 1)
    copy_artifact(near, far, key_of(1))
    bare = json.loads(near.objects.read(action_name(key_of(1))))
    del bare["signatures"]
    near.objects.write(action_name(key_of(1)), json.dumps(bare).encode())
    (moved,) = pull(None, settings)
    assert (moved.present, moved.signed) == (1, 1)
    assert near.lookup(key_of(1)) is not None


def test_what_is_signed_with_a_key_that_nobody_else_trusts_isnt_sent(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(trusting, "user_cache", lambda: tmp_path / "user")
    settings = replace(shared[0], trusted_keys=(make_key(tmp_path / "team"),))
    put(open_store(settings.cache, open_trust(settings)), 1)
    team = open_store(settings.cache, Trust((), open_signer(tmp_path / "team")))
    put(team, 2)
    (moved,) = push(None, settings)
    assert moved.artifacts == 1
    assert "nobody else trusts" in moved.left_out[0]
    assert [entry.name for entry in shared[2].objects.list(ACTIONS)] == [action_name(key_of(2))]
