from __future__ import annotations

import errno
import os
import time

import pytest

from neuronbuild.errors import ForeignRecordError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name, quarantine_name
from neuronbuild.store.objects import local
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.trust import Trust, make_key, open_signer
from tests.limits import SOON
from tests.unit.store.artifacts import key_of, put


def test_a_store_can_be_read_with_common_tools(tmp_path):
    manifest = put(open_store(str(tmp_path)), 1)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    blobs = {blob_name(digest.sha256) for digest in [*manifest.blobs(), manifest.log]}
    assert files == {action_name(key_of(1)), *blobs, "versions.lock"}


@pytest.fixture
def signers(tmp_path):
    """Two builders, each trusting its own key only."""
    keys = [make_key(tmp_path / name) for name in ("one", "two")]
    return [Trust((key,), open_signer(tmp_path / name), key) for name, key in zip(("one", "two"), keys, strict=True)]


def test_what_somebody_else_signed_stays_where_others_use_the_store(signers):
    objects = MemoryObjects()
    put(CasStore(objects, trust=signers[0]), 1)
    before = objects.read(action_name(key_of(1)))
    with pytest.raises(ForeignRecordError, match="it stays") as caught:
        put(CasStore(objects, trust=signers[1], shared=True), 1, 600)
    assert signers[0].own in str(caught.value)
    assert "trusted_keys" in caught.value.hint
    assert objects.read(action_name(key_of(1))) == before


def test_in_a_store_of_ones_own_it_is_put_aside_and_can_be_brought_back(signers):
    objects = MemoryObjects()
    put(CasStore(objects, trust=signers[0]), 1)
    before = objects.read(action_name(key_of(1)))
    mine = put(CasStore(objects, trust=signers[1]), 1, 600)
    assert CasStore(objects, trust=signers[1]).lookup(key_of(1)) == mine
    assert objects.read(quarantine_name(action_name(key_of(1)))) == before


def test_what_nobody_signed_is_replaced_by_what_is_trusted(signers):
    objects = MemoryObjects()
    put(CasStore(objects), 1)
    shared = CasStore(objects, trust=signers[0], shared=True)
    mine = put(shared, 1, 600)
    assert shared.lookup(key_of(1)) == mine
    assert list(objects.list("quarantine/")) == []


@pytest.fixture
def of_another_user(tmp_path, monkeypatch):
    """A store whose files another user made, and hasn't used for long."""
    store = open_store(str(tmp_path / "store"))
    put(store, 1)
    for entry in store.objects.list("v1/"):
        os.utime(store.objects.local_path(entry.name), (0, 0))

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(local.os, "utime", refuse)
    return store


def test_a_use_of_what_another_user_made_counts(of_another_user):
    name = action_name(key_of(1))
    before = of_another_user.objects.read(name)
    assert of_another_user.lookup(key_of(1)) is not None
    assert time.time() - of_another_user.objects.stat(name).used < SOON
    assert of_another_user.objects.read(name) == before


def test_a_blob_that_another_user_made_counts_as_used_when_it_is_added_again(of_another_user):
    log = of_another_user.lookup(key_of(1)).log
    assert of_another_user.add_bytes(b"log 1") == log
    assert time.time() - of_another_user.objects.stat(blob_name(log.sha256)).used < SOON


def test_what_may_only_be_read_is_read(of_another_user, monkeypatch):
    of_another_user.read_only = True
    monkeypatch.setattr(type(of_another_user.objects), "write", lambda *_: pytest.fail("it was written"))
    assert of_another_user.lookup(key_of(1)) is not None
