from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from neuronbuild.api.caring import prune, restore, stats, verify
from neuronbuild.api.locking import write_lock
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.lockfile import LockedModel, LockFile, locked_toolchain
from neuronbuild.artifact.release_index import FILENAME, Bucket
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import LockError, StoreError, UsageError
from neuronbuild.store.care.stats import Run, note_run
from neuronbuild.store.cas_reader import quarantine
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.names import ACTIONS, blob_name, list_actions
from tests.doubles.toolchain import FakeToolchain, fake_action
from tests.unit.api.shared import folders
from tests.unit.artifact.records import INDEX
from tests.unit.store.artifacts import contents, key_of, put

EVERYTHING = (0, None, 60.0)


@pytest.fixture
def settings(tmp_path):
    """A near store with two old artifacts, and a far one with one of them."""
    settings = folders(tmp_path, lock=tmp_path / "neuronbuild.lock")
    store = open_store(settings.cache)
    for number in (1, 2):
        put(store, number)
    then = time.time() - 86400
    for entry in list(store.objects.list("v1/")):
        os.utime(store.objects.local_path(entry.name), (then, then))
    put(open_store(settings.remotes[0].location), 1)
    return settings


def left(settings) -> set[str]:
    return {key for key, _ in list_actions(open_store(settings.cache).objects)}


def test_near_and_far_are_verified_and_repaired_unless_read_only(settings):
    assert [len(report.damages) for report in verify(settings, repair=False)] == [0, 0]
    far = open_store(settings.remotes[0].location)
    name = blob_name(digest_bytes(contents(1)["model.pt2"]).sha256)
    far.objects.write(name, bytes(40))
    read_only = replace(settings, remotes=(Remote(settings.remotes[0].location, read_only=True),))
    assert [len(report.damages) for report in verify(read_only, repair=True, far=True)] == [0, 2]
    assert [len(report.damages) for report in verify(settings, repair=True)] == [0, 2]
    assert far.objects.size(name) == 40
    assert [len(report.damages) for report in verify(settings, repair=True, far=True)] == [0, 2]
    assert far.objects.size(name) is None


def test_what_was_put_aside_near_or_far_is_brought_back(settings):
    for location, far in ((settings.cache, False), (settings.remotes[0].location, True)):
        store = open_store(location)
        before = {entry.name for entry in store.objects.list("")}
        for entry in list(store.objects.list("v1/")):
            quarantine(store.objects, entry.name)
        restored = restore(settings, far=far)
        assert (restored.artifacts, restored.left) == (len([name for name in before if name.startswith(ACTIONS)]), ())
        assert {entry.name for entry in store.objects.list("")} == before


def test_a_store_that_isnt_there_is_told(settings, tmp_path):
    absent = replace(settings, cache=str(tmp_path / "absent"))
    for command in (lambda: verify(absent, repair=False), lambda: restore(absent, far=False)):
        with pytest.raises(StoreError, match="no such folder"):
            command()


def test_without_anything_to_keep_all_that_is_old_goes(settings):
    pruned = prune(settings, EVERYTHING, keep=(), dry_run=True, far=False)
    assert set(pruned.artifacts) == {key_of(1), key_of(2)} == left(settings)
    prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    assert left(settings) == set()


def test_what_a_release_names_stays(settings):
    folder = settings.output / "one-cpu"
    folder.mkdir(parents=True)
    index = replace(INDEX, buckets=(Bucket("forward", {"batch_size": 1}, "buckets/a", key_of(1)),), bindings={})
    (folder / FILENAME).write_bytes(encode(index))
    prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    assert left(settings) == {key_of(1)}


def test_what_a_release_elsewhere_names_stays_if_it_is_named(settings, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    index = replace(INDEX, buckets=(Bucket("forward", {"batch_size": 1}, "buckets/a", key_of(2)),), bindings={})
    (folder / FILENAME).write_bytes(encode(index))
    prune(settings, EVERYTHING, keep=[folder], dry_run=False, far=False)
    assert left(settings) == {key_of(2)}


def test_what_a_lock_names_stays(settings, tmp_path):
    subject = fake_action(1)[1].record.model.digest
    model = LockedModel("./model", None, ".", None, {}, {}, (subject,))
    fingerprint = FakeToolchain(tmp_path / "toolchain").fingerprint("cpu")
    write_lock(settings.lock, LockFile((model,), (locked_toolchain(fingerprint),)))
    prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    assert left(settings) == {key_of(1), key_of(2)}
    write_lock(settings.lock, LockFile((model,), (locked_toolchain(replace(fingerprint, versions={"fake": "2.0"})),)))
    prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    assert left(settings) == set()


def test_what_cant_be_read_stops_the_prune(settings):
    settings.lock.write_text("{")
    with pytest.raises(LockError, match="can't be read"):
        prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    settings.lock.unlink()
    (settings.output / "one-cpu").mkdir(parents=True)
    (settings.output / "one-cpu" / FILENAME).write_text("{")
    with pytest.raises(UsageError, match="can't be read"):
        prune(settings, EVERYTHING, keep=(), dry_run=False, far=False)
    assert left(settings) == {key_of(1), key_of(2)}


def test_a_far_store_is_pruned_when_asked_for(settings):
    pruned = prune(settings, (0, None, 0.0), keep=(), dry_run=True, far=True)
    assert pruned.location == settings.remotes[0].location


def test_statistics_are_of_all_stores_and_all_runs(settings):
    near = open_store(settings.cache)
    note_run(near.objects, Run(2, 1, 100, 3.5))
    said = stats(settings).as_json()
    assert [store["artifacts"] for store in said["stores"]] == [2, 1]
    assert (said["hits"], said["misses"], said["bytes_saved"], said["seconds_saved"]) == (2, 1, 100, 3.5)
