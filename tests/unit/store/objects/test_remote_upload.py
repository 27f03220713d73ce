from __future__ import annotations

import random
import time

import pytest

from neuronbuild.digest import PIECE, digest_whole_and_pieces
from neuronbuild.errors import StoreError
from neuronbuild.store.location import open_objects
from tests.doubles.quirky import Upload, serving

NAME = "v1/blobs/sha256/ab/" + "ab" * 32
SIZE = 3 * PIECE + 12_345


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path, *digest_whole_and_pieces(path)


@pytest.fixture
def server():
    with serving() as server:
        yield server


def leave_upload(server, key: str, age: float = 0.0) -> None:
    """What a push leaves that was killed."""
    server.uploads[f"left{len(server.uploads)}"] = Upload(key, time.time() - age, {1: b"part"})


@pytest.mark.parametrize("quirks", [(), ("foreign-keys",)])
def test_an_upload_ends_those_that_killed_pushes_left_of_the_same_object(quirks, server, large):
    server.quirks = set(quirks)
    path, digest, pieces = large
    objects = open_objects(server.location())
    leave_upload(server, objects._backend.inner._prefix + NAME)
    leave_upload(server, objects._backend.inner._prefix + NAME + "/other")
    objects.add_file(NAME, path, pieces)
    assert objects.digest(NAME) == digest
    assert [upload.key.rpartition("/")[2] for upload in server.uploads.values()] == ["other"]


def test_an_upload_that_another_ends_with_the_same_object_is_done(server, large, monkeypatch):
    path, digest, pieces = large
    objects, other = (open_objects(server.location()) for _ in range(2))
    other._backend.inner._prefix = objects._backend.inner._prefix
    complete = objects._backend.complete_upload

    def other_is_faster(*asked):
        other.add_file(NAME, path, pieces)
        complete(*asked)

    monkeypatch.setattr(objects._backend, "complete_upload", other_is_faster)
    objects.add_file(NAME, path, pieces)
    assert objects.digest(NAME) == digest
    assert server.uploads == {}


def test_an_upload_that_a_prune_ends_begins_anew_once(server, large, monkeypatch):
    path, digest, pieces = large
    objects = open_objects(server.location())
    complete, ended = objects._backend.complete_upload, []

    def prune_once(*asked):
        if len(ended) < limit:
            ended.append(objects.sweep(time.time() + 60))
        complete(*asked)

    monkeypatch.setattr(objects._backend, "complete_upload", prune_once)
    limit = 1
    objects.add_file(NAME, path, pieces)
    assert (objects.digest(NAME), ended) == (digest, [1])
    objects.delete(NAME)
    limit = 100
    with pytest.raises(StoreError, match="ended by another command") as caught:
        objects.add_file(NAME, path, pieces)
    assert "again" in caught.value.hint


@pytest.mark.parametrize("quirks", [(), ("foreign-keys",)])
def test_a_sweep_ends_old_uploads_and_no_others(quirks, server):
    server.quirks = set(quirks)
    objects = open_objects(server.location())
    for name, age in (("v1/old", 7200), ("v1/new", 60)):
        leave_upload(server, objects._backend.inner._prefix + name, age)
    leave_upload(server, "elsewhere/v1/old", 7200)
    assert objects.sweep(time.time() - 3600, dry_run=True) == 1
    assert len(server.uploads) == 3
    assert objects.sweep(time.time() - 3600) == 1
    assert sorted(upload.key.partition("/")[2] for upload in server.uploads.values()) == ["v1/new", "v1/old"]
    assert objects.sweep(time.time() - 3600) == 0


@pytest.mark.parametrize("quirks", [("small-pages",), ("small-pages", "older-listing", "foreign-keys")])
def test_a_sweep_ends_old_uploads_of_all_pages(quirks):
    with serving(*quirks) as server:
        objects = open_objects(server.location())
        for number in range(7):
            leave_upload(server, f"{objects._backend.inner._prefix}v1/{number // 3}", 7200)
        assert objects.sweep(time.time() - 3600, dry_run=True) == 7
        assert objects.sweep(time.time() - 3600) == 7
        assert server.uploads == {}


def test_uploads_whose_listing_has_no_end_are_told():
    with serving("endless-listing") as server:
        objects = open_objects(server.location())
        for number in range(3):
            leave_upload(server, f"{objects._backend.inner._prefix}v1/{number}", 7200)
        with pytest.raises(StoreError, match="doesn't come to an end"):
            objects.sweep(time.time() - 3600)


def test_a_server_that_cant_list_uploads_is_used_all_the_same(large):
    path, digest, pieces = large
    with serving("no-uploads-list") as server:
        objects = open_objects(server.location())
        objects.add_file(NAME, path, pieces)
        assert objects.digest(NAME) == digest
        assert objects.sweep(time.time()) == 0


@pytest.mark.parametrize("quirk", ["no-checksums", "kms-only", "chunked"])
def test_a_large_file_goes_there_and_back(quirk, large, tmp_path):
    path, digest, pieces = large
    with serving(quirk) as server:
        objects = open_objects(server.location())
        objects.add_file(NAME, path, pieces)
        assert objects.read_to(NAME, tmp_path / "fetched", "copy", pieces) == "copy"
        assert objects.digest(NAME) == digest


def test_a_server_that_ignores_ranges_is_told_and_no_damage(large):
    path, _, pieces = large
    with serving("no-ranges") as server:
        objects = open_objects(server.location(timeout=1))
        objects.add_file(NAME, path, pieces)
        with pytest.raises(StoreError, match="no range"):
            objects.digest(NAME)
