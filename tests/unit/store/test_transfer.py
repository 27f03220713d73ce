from __future__ import annotations

import pytest

from neuronbuild.digest import PIECE, digest_bytes
from neuronbuild.errors import BlobCorruptError, BlobMissingError, ManifestRefusedError, StoreError
from neuronbuild.store.location import open_store
from neuronbuild.store.names import action_name, blob_name
from neuronbuild.store.transfer import copy_artifact, copy_blob, copy_file_in
from tests.unit.artifact.records import plain, sealed
from tests.unit.store.artifacts import contents, get, key_of, put

SIZE = 2 * PIECE + 100


@pytest.fixture(params=["memory to memory", "local to memory", "memory to local", "local to local"])
def stores(request, tmp_path):
    source, _, target = request.param.partition(" to ")
    return [
        open_store("memory:" if kind == "memory" else str(tmp_path / name))
        for kind, name in ((source, "source"), (target, "target"))
    ]


def model_of(number: int, size: int = 40) -> str:
    return blob_name(digest_bytes(contents(number, size)["model.pt2"]).sha256)


@pytest.mark.parametrize("size", [40, SIZE])
def test_an_artifact_goes_over_whole_and_once(stores, tmp_path, size):
    source, target = stores
    manifest = put(source, 1, size)
    assert (manifest.files[0].pieces is not None) == (size > PIECE)
    assert copy_artifact(source, target, key_of(1)) == 2 * size + 5
    assert get(target, 1, tmp_path) == contents(1, size)
    assert target.lookup(key_of(1)) == manifest
    assert copy_artifact(source, target, key_of(1)) == 0


@pytest.mark.parametrize("size", [40, SIZE])
@pytest.mark.parametrize("damage", ["altered", "short", "long", "gone"])
def test_a_damaged_blob_never_goes_over_and_is_put_aside(stores, size, damage):
    source, target = stores
    put(source, 1, size)
    data = contents(1, size)["model.pt2"]
    other = {"altered": data[:-1] + b"X", "short": data[:-1], "long": data + b"X", "gone": None}[damage]
    source.objects.delete(model_of(1, size)) if other is None else source.objects.write(model_of(1, size), other)
    with pytest.raises(BlobMissingError if other is None else BlobCorruptError):
        copy_artifact(source, target, key_of(1))
    assert target.objects.size(model_of(1, size)) is None
    assert target.lookup(key_of(1)) is None
    assert source.objects.size(model_of(1, size)) is None


def test_pieces_that_lie_dont_cost_the_blob(stores, tmp_path):
    source, target = stores
    data = plain(put(source, 1, SIZE))
    data["files"][0]["pieces"]["sha256"][1] = "0" * 64
    source.objects.write(action_name(key_of(1)), sealed(data))
    if source.location != "memory:":
        with pytest.raises(StoreError):
            copy_artifact(source, target, key_of(1))
    else:
        copy_artifact(source, target, key_of(1))
        assert get(target, 1, tmp_path) == contents(1, SIZE)
    assert source.objects.size(model_of(1, SIZE)) == SIZE


def test_a_size_that_lies_is_refused_and_doesnt_cost_the_blob(stores):
    source, target = stores
    data = plain(put(source, 1))
    data["files"][0]["digest"]["size"] = 10**15
    source.objects.write(action_name(key_of(1)), sealed(data))
    with pytest.raises(BlobCorruptError):
        copy_artifact(source, target, key_of(1))
    assert source.objects.size(model_of(1)) == 40
    assert target.objects.size(model_of(1)) is None


def test_nothing_is_published_without_leave(stores):
    source, target = stores
    put(source, 1)
    copy_artifact(source, target, key_of(1), may_publish=lambda: False)
    assert target.lookup(key_of(1)) is None


def test_a_manifest_that_cant_be_used_doesnt_go_over(stores):
    source, target = stores
    with pytest.raises(ManifestRefusedError, match="isn't there"):
        copy_artifact(source, target, key_of(1))
    source.objects.write(action_name(key_of(1)), b"{}")
    with pytest.raises(ManifestRefusedError, match="can't be read"):
        copy_artifact(source, target, key_of(1))


def test_a_lost_log_holds_nothing_up(stores):
    source, target = stores
    manifest = put(source, 1)
    source.objects.delete(blob_name(manifest.log.sha256))
    copy_artifact(source, target, key_of(1))
    assert target.lookup(key_of(1)) == manifest


def test_one_blob_goes_over_by_itself(stores):
    source, target = stores
    digest = source.add_bytes(b"bytes")
    assert copy_blob(source, target, digest, None) == 5
    assert target.read_blob(digest) == b"bytes"


def test_a_file_goes_in_by_its_digest_or_not_at_all(stores, tmp_path):
    (tmp_path / "file").write_bytes(b"bytes")
    assert copy_file_in(tmp_path / "file", digest_bytes(b"bytes"), stores[1]) == 5
    with pytest.raises(StoreError, match="other bytes"):
        copy_file_in(tmp_path / "file", digest_bytes(b"other"), stores[1])
