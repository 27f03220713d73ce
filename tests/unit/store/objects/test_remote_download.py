from __future__ import annotations

import os
import random
import threading
import tracemalloc

import pytest

from neuronbuild.digest import PIECE, digest_file, digest_whole_and_pieces
from neuronbuild.errors import BlobCorruptError
from neuronbuild.store.location import open_objects
from neuronbuild.store.objects import remote, remote_download
from neuronbuild.store.objects.remote_download import Downloads
from neuronbuild.store.objects.s3.bucket import Bucket

NAME = "v1/large"
SIZE = 9 * PIECE + 12_345


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path, *digest_whole_and_pieces(path)


@pytest.fixture
def objects(remote):
    return open_objects(remote)


def requests_of(objects, verb: str) -> list[dict]:
    """From now on, the parameters of each request of a kind."""
    seen: list[dict] = []
    objects._backend.inner._line._connection.client.meta.events.register(
        f"provide-client-params.s3.{verb}", lambda params, **_: seen.append(dict(params))
    )
    return seen


def test_a_large_file_goes_in_parts_each_with_its_sha256(objects, large):
    path, digest, pieces = large
    parts = requests_of(objects, "UploadPart")
    objects.add_file(NAME, path, pieces)
    assert sorted(part["PartNumber"] for part in parts) == list(range(1, 11))
    assert all(part["ChecksumSHA256"] for part in parts)
    assert objects.digest(NAME) == digest


def test_a_failed_upload_leaves_nothing(objects, large):
    path, _, pieces = large
    with path.open("r+b") as file:
        file.seek(SIZE - 10)
        file.write(b"damage")
    aborts = requests_of(objects, "AbortMultipartUpload")
    with pytest.raises(Exception, match="holds other bytes"):
        objects.add_file(NAME, path, pieces)
    assert len(aborts) == 1
    assert objects.size(NAME) is None


def test_only_a_damaged_piece_is_fetched_again(objects, large, tmp_path, monkeypatch):
    path, digest, pieces = large
    objects.add_file(NAME, path, pieces)
    receive, gets = Bucket.receive, []

    def received(bucket, name, then, span=None):
        gets.append(span)
        return receive(bucket, name, then, span)

    monkeypatch.setattr(Bucket, "receive", received)
    drain, lock, spoilt = Downloads._drain, threading.Lock(), []

    def spoil_once(self, body, download, span):
        damaged = drain(self, body, download, span)
        with lock:
            if span[0] <= 5 * PIECE < sum(span) and not spoilt:
                spoilt.append(span)
                remote_download._pwrite(download.handle, b"damage", 5 * PIECE)
                return [*damaged, 5]
        return damaged

    monkeypatch.setattr(Downloads, "_drain", spoil_once)
    assert objects.read_to(NAME, tmp_path / "fetched", "copy", pieces) == "copy"
    assert digest_file(tmp_path / "fetched") == digest
    assert gets[-1] == (5 * PIECE, PIECE)
    assert len(gets) == 4


def test_a_piece_that_is_damaged_over_there_is_told_with_its_place(objects, large, tmp_path):
    path, _, pieces = large
    with path.open("r+b") as file:
        file.seek(4 * PIECE + 99)
        file.write(b"damage")
    objects.add_file(NAME, path)
    with pytest.raises(BlobCorruptError, match=f"in bytes {4 * PIECE:,} to {5 * PIECE:,}"):
        objects.read_to(NAME, tmp_path / "fetched", "copy", pieces)
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("length", [0, PIECE, SIZE + 2 * PIECE])
def test_of_an_object_of_another_size_nothing_is_fetched(objects, large, tmp_path, monkeypatch, length):
    path, _, pieces = large
    os.truncate(path, length)
    objects.add_file(NAME, path)
    monkeypatch.delattr(Bucket, "receive")
    with pytest.raises(BlobCorruptError, match=f"{length:,} bytes"):
        objects.read_to(NAME, tmp_path / "fetched", "copy", pieces)
    assert not (tmp_path / "fetched").exists()


def test_memory_is_bounded(objects, large, tmp_path):
    path, _, pieces = large
    tracemalloc.start()
    try:
        objects.add_file(NAME, path, pieces)
        objects.read_to(NAME, tmp_path / "fetched", "copy", pieces)
        objects.digest(NAME)
        assert tracemalloc.get_traced_memory()[1] < remote.WORKERS * PIECE + (4 << 20) < SIZE
    finally:
        tracemalloc.stop()
