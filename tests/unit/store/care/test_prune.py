from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.store.care import prune
from neuronbuild.store.care.prune import Rules, prune_store, remove_artifacts
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from tests.conftest import ROOT
from tests.doubles.toolchain import wait_until
from tests.limits import SOON
from tests.unit.store.artifacts import assert_whole, contents, get, key_of, put

DAY = 86400.0
SIZE = 1000


@pytest.fixture
def store(tmp_path):
    """Four artifacts, used four, three, two and one days ago."""
    store = open_store(str(tmp_path / "store"))
    for number in (1, 2, 3, 4):
        put(store, number, SIZE)
    for number in (4, 3, 2, 1):
        manifest = store.lookup(key_of(number))
        for digest in (*manifest.blobs(), manifest.log):
            age(store, blob_name(digest.sha256), 5 - number)
        age(store, action_name(key_of(number)), 5 - number)
    return store


def age(store, name: str, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(store.objects.local_path(name), (then, then))


def left(store) -> list[int]:
    return [number for number in (1, 2, 3, 4) if store.objects.size(action_name(key_of(number))) is not None]


def test_without_limits_only_what_nobody_names_goes(store):
    orphan = store.add_bytes(b"orphan")
    age(store, blob_name(orphan.sha256), 1)
    fresh = store.add_bytes(b"fresh")
    pruned = prune_store(store, Rules(), dry_run=False)
    assert (pruned.artifacts, pruned.blobs, pruned.freed) == ((), 1, 6)
    assert store.objects.size(blob_name(orphan.sha256)) is None
    assert store.objects.size(blob_name(fresh.sha256)) is not None
    assert left(store) == [1, 2, 3, 4]


def test_by_age_the_old_ones_go(store, tmp_path):
    pruned = prune_store(store, Rules(max_age=2.5 * DAY), dry_run=False)
    assert set(pruned.artifacts) == {key_of(1), key_of(2)}
    assert left(store) == [3, 4]
    assert get(store, 3, tmp_path) == contents(3, SIZE)
    assert_whole(store.objects.root, store)


def test_by_size_the_least_recently_used_go_until_the_rest_fits(store):
    total = prune_store(store, Rules(), dry_run=True).left
    pruned = prune_store(store, Rules(max_size=total - 1), dry_run=False)
    assert pruned.artifacts == (key_of(1),)
    assert pruned.left <= total - 1
    pruned = prune_store(store, Rules(max_size=0), dry_run=False)
    assert (left(store), pruned.left) == ([], 0)
    assert list(store.objects.list("v1/")) == []


def test_a_use_counts(store):
    assert store.lookup(key_of(1)) is not None
    prune_store(store, Rules(max_age=1.5 * DAY), dry_run=False)
    assert left(store) == [1, 4]


def test_a_shared_blob_stays_with_its_last_artifact(store, tmp_path):
    prune_store(store, Rules(max_age=1.5 * DAY), dry_run=False)
    assert get(store, 4, tmp_path) == contents(4, SIZE)


def test_a_dry_run_says_it_all_and_does_nothing(store):
    before = sorted(entry[:3] for entry in store.objects.list(""))
    dry = prune_store(store, Rules(max_size=2 * SIZE), dry_run=True)
    assert sorted(entry[:3] for entry in store.objects.list("")) == before
    assert prune_store(store, Rules(max_size=2 * SIZE), dry_run=False) == dry


def test_what_is_kept_stays(store):
    rules = Rules(max_size=0, max_age=0.0, keep=lambda manifest: manifest.key == key_of(2))
    prune_store(store, rules, dry_run=False)
    assert left(store) == [2]
    assert store.missing(store.lookup(key_of(2))) is None


def test_what_was_just_used_stays_whatever_the_limits(store):
    put(store, 5, SIZE)
    prune_store(store, Rules(max_size=0, max_age=0.0), dry_run=False)
    assert store.missing(store.lookup(key_of(5))) is None


def test_files_of_models_stay_with_their_snapshots(store):
    digest = store.add_bytes(b"weights")
    age(store, blob_name(digest.sha256), 9)
    store.record_snapshot(Snapshot("my/model", None, {"model.safetensors": digest}))
    prune_store(store, Rules(max_size=0), dry_run=False)
    assert store.read_blob(digest) == b"weights"


def test_blobs_of_a_newer_versions_manifests_stay(store):
    digest = store.add_bytes(b"of the future")
    age(store, blob_name(digest.sha256), 9)
    name = action_name(digest_bytes(b"key").sha256)
    store.objects.write(name, f'{{"format": 99, "things": ["{digest.sha256}"]}}'.encode())
    prune_store(store, Rules(), dry_run=False)
    assert store.read_blob(digest) is not None


def test_adding_a_blob_again_saves_it(store, tmp_path):
    orphan = store.add_bytes(b"orphan")
    age(store, blob_name(orphan.sha256), 9)
    assert store.add_bytes(b"orphan") == orphan
    assert prune_store(store, Rules(), dry_run=False).blobs == 0


def test_a_store_on_s3_is_pruned_by_its_servers_dates(remote, tmp_path, monkeypatch):
    far = open_store(remote)
    for number in (1, 2, 3):
        put(far, number, SIZE)
    assert prune_store(far, Rules(max_size=0), dry_run=False).artifacts == ()
    now = time.time()
    monkeypatch.setattr(prune.time, "time", lambda: now + 9 * DAY)
    pruned = prune_store(far, Rules(max_age=DAY, keep=lambda manifest: manifest.key == key_of(2)), dry_run=False)
    assert set(pruned.artifacts) == {key_of(1), key_of(3)}
    assert left(far) == [2]
    assert get(far, 2, tmp_path) == contents(2, SIZE)
    assert sum(entry.size for entry in far.objects.list("v1/")) == pruned.left


PRUNE = """
import sys
from pathlib import Path
from neuronbuild.store.location import open_store
from neuronbuild.store.care.prune import Rules, prune_store
from tests.doubles.toolchain import wait_until

def keep(manifest):
    signals = Path(sys.argv[2])
    (signals / "listed").touch()
    wait_until(lambda: (signals / "go").exists())
    return False

print(*prune_store(open_store(sys.argv[1]), Rules(max_size=0, keep=keep), dry_run=False).artifacts)
"""


def test_what_is_looked_up_while_a_prune_is_about_to_remove_it_stays_whole(store, tmp_path):
    command = [sys.executable, "-c", PRUNE, store.location, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as pruning:
        wait_until((tmp_path / "listed").exists, seconds=SOON)
        assert store.lookup(key_of(2)) is not None
        (tmp_path / "go").touch()
        pruned = pruning.communicate(timeout=SOON)[0].split()
    assert sorted(pruned) == sorted(key_of(number) for number in (1, 3, 4))
    assert left(store) == [2]
    assert get(store, 2, tmp_path) == contents(2, SIZE)
    assert_whole(store.objects.root, store)


def test_what_killed_writers_left_unfinished_goes_after_the_grace_period(tmp_path):
    store = open_store(str(tmp_path))
    put(store, 1)
    for name, age in (("old", 7200), ("new", 60)):
        (tmp_path / "tmp" / name).write_bytes(b"half")
        os.utime(tmp_path / "tmp" / name, (time.time() - age,) * 2)
    assert prune_store(store, Rules(), dry_run=True).unfinished == 1
    assert prune_store(store, Rules(), dry_run=False).unfinished == 1
    assert [file.name for file in (tmp_path / "tmp").iterdir()] == ["new"]
    assert prune_store(store, Rules(grace=0.0), dry_run=False).unfinished == 0


def test_what_stays_is_told_with_the_reason(store):
    keep = {key_of(1)}
    age(store, action_name(key_of(4)), 0)
    pruned = prune_store(store, Rules(max_size=0, keep=lambda manifest: manifest.key in keep), dry_run=True)
    assert [(kept.reason, kept.number) for kept in pruned.kept] == [(prune.NAMED, 1), (prune.USED, 1)]
    assert all(kept.bytes > SIZE for kept in pruned.kept)
    assert pruned.as_json()["kept"][0]["reason"] == prune.NAMED


def test_files_that_nothing_names_yet_are_told_with_their_reason(store):
    store.add_bytes(b"f" * 100 * SIZE)
    pruned = prune_store(store, Rules(max_size=5 * SIZE), dry_run=True)
    assert [(kept.reason, kept.number, kept.bytes) for kept in pruned.kept] == [(prune.UNNAMED, 1, 100 * SIZE)]
    assert pruned.left == 100 * SIZE


def test_what_is_left_is_told_to_the_last_byte(store):
    store.add_bytes(b"fresh")
    model = store.add_bytes(b"weights")
    store.record_snapshot(Snapshot("org/name", None, {"model.safetensors": model}))
    age(store, action_name(key_of(4)), 0)
    pruned = prune_store(store, Rules(max_size=2 * SIZE), dry_run=False)
    assert [kept.reason for kept in pruned.kept] == [prune.USED, prune.FILES, prune.UNNAMED]
    assert sum(kept.bytes for kept in pruned.kept) == pruned.left


def test_a_removed_artifact_goes_with_the_files_that_only_it_names(store, tmp_path):
    before = sum(entry.size for entry in store.objects.list("v1/"))
    age(store, action_name(key_of(1)), 1)
    lone, shared = store.lookup(key_of(1)).blobs()
    age(store, action_name(key_of(1)), 1)
    freed = remove_artifacts(store, [key_of(1)])
    assert left(store) == [2, 3, 4]
    assert store.objects.size(blob_name(lone.sha256)) is None
    assert store.objects.size(blob_name(shared.sha256)) == SIZE
    assert get(store, 2, tmp_path) == contents(2, SIZE)
    assert sum(entry.size for entry in store.objects.list("v1/")) == before - freed


def test_a_removed_artifact_that_is_in_use_leaves_its_files_to_a_prune_after_the_grace_period(store):
    manifest, record = store.lookup(key_of(1)), store.objects.size(action_name(key_of(1)))
    lone, _ = manifest.blobs()
    assert remove_artifacts(store, [key_of(1)]) == record
    assert left(store) == [2, 3, 4]
    prune_store(store, Rules(), dry_run=False)
    assert store.missing(manifest) is None
    age(store, blob_name(lone.sha256), 1)
    prune_store(store, Rules(), dry_run=False)
    assert store.objects.size(blob_name(lone.sha256)) is None


def test_a_file_that_was_used_alone_outlasts_its_artifact(store):
    lone, _ = store.lookup(key_of(1)).blobs()
    age(store, action_name(key_of(1)), 1)
    age(store, blob_name(lone.sha256), 0)
    remove_artifacts(store, [key_of(1)])
    assert store.objects.size(blob_name(lone.sha256)) == SIZE


def test_removing_an_artifact_touches_nothing_else(store, tmp_path):
    orphan = store.add_bytes(b"orphan")
    age(store, blob_name(orphan.sha256), 9)
    (store.objects.root / "tmp/half").write_bytes(b"half")
    os.utime(store.objects.root / "tmp/half", (0, 0))
    remove_artifacts(store, [key_of(1)])
    assert store.read_blob(orphan) == b"orphan"
    assert (store.objects.root / "tmp/half").exists()


def test_what_is_within_the_limits_is_told_as_that(store):
    [kept] = prune_store(store, Rules(), dry_run=True).kept
    assert (kept.reason, kept.number) == (prune.WITHIN, 4)


def test_files_that_must_stay_count_towards_the_limit(store):
    model = store.add_bytes(b"w" * 10 * SIZE)
    age(store, blob_name(model.sha256), 9)
    store.record_snapshot(Snapshot("org/name", None, {"model.safetensors": model}))
    pruned = prune_store(store, Rules(max_size=9 * SIZE), dry_run=True)
    assert len(pruned.artifacts) == 4
    assert pruned.left > 9 * SIZE
    assert [(kept.reason, kept.bytes) for kept in pruned.kept] == [(prune.FILES, 10 * SIZE)]
