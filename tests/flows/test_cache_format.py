"""The format that docs/cache-format.md describes, read by a stranger: with hashlib, json, and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import PIECE, digest_bytes
from neuronbuild.store.location import open_store
from neuronbuild.store.transfer import copy_artifact
from neuronbuild.store.trust import Trust, make_key, open_signer
from tests.conftest import ROOT
from tests.unit.store.artifacts import key_of, put

LARGE = 2 * PIECE + 77


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path, remote) -> Path:
    """A store's files: of a folder, or of a bucket that was copied to one object by object."""
    make_key(tmp_path / "key")
    store = open_store(str(tmp_path / "store"), Trust((), open_signer(tmp_path / "key")))
    put(store, 1)
    put(store, 2, LARGE)
    store.record_snapshot(Snapshot("my/model", "c0ffee", {"config.json": digest_bytes(b"{}")}, "mit"))
    if request.param == "folder":
        return tmp_path / "store"
    far = open_store(remote)
    for number in (1, 2):
        copy_artifact(store, far, key_of(number))
    far.record_snapshot(Snapshot("my/model", "c0ffee", {"config.json": digest_bytes(b"{}")}, "mit"))
    for entry in far.objects.list(""):
        (tmp_path / "copy" / entry.name).parent.mkdir(parents=True, exist_ok=True)
        far.objects.read_to(entry.name, tmp_path / "copy" / entry.name)
    return tmp_path / "copy"


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_stranger_can_read_it(root):
    names = set()
    for path in (root / "v1/actions").glob("*/*.json"):
        manifest = json.loads(path.read_bytes())
        seal, signatures = manifest.pop("seal"), manifest.pop("signatures")
        assert manifest["format"] == 2
        assert path.stem == manifest["key"] == sha256(canonical(manifest["action"]))
        assert path.parent.name == manifest["key"][:2]
        assert seal == sha256(canonical(manifest))
        for signature in signatures:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["key"].removeprefix("ed25519:")))
            public.verify(base64.b64decode(signature["signature"]), b"neuronbuild manifest\n" + seal.encode())
        for file in manifest["files"]:
            names.add(read_blob(root, file))
        names.add(read_blob(root, {"digest": manifest["log"], "pieces": None}))
    assert names == {path.name for path in (root / "v1/blobs/sha256").glob("*/*")}
    assert len(names) == 6


def read_blob(root: Path, file: dict) -> str:
    name, size, pieces = file["digest"]["sha256"], file["digest"]["size"], file["pieces"]
    data = (root / "v1/blobs/sha256" / name[:2] / name).read_bytes()
    assert (sha256(data), len(data)) == (name, size)
    assert (pieces is not None) == (size > 8 << 20)
    if pieces:
        step = pieces["size"]
        assert [sha256(data[start : start + step]) for start in range(0, size, step)] == pieces["sha256"]
    return name


def test_a_snapshot_too(root):
    (path,) = (root / "v1/snapshots").glob("*/*.json")
    snapshot = json.loads(path.read_bytes())
    seal, signatures = snapshot.pop("seal", None), snapshot.pop("signatures", [])
    for signature in signatures:
        assert seal == sha256(canonical(snapshot))
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["key"].removeprefix("ed25519:")))
        public.verify(base64.b64decode(signature["signature"]), b"neuronbuild snapshot\n" + seal.encode())
    assert (snapshot.pop("license"), snapshot.pop("gated")) == ("mit", False)
    assert path.stem == sha256(canonical(snapshot))
    assert snapshot["files"] == {"config.json": {"sha256": sha256(b"{}"), "size": 2}}


def test_the_document_names_every_field(root):
    text = (ROOT / "docs/cache-format.md").read_text()
    path = next((root / "v1/actions").glob("*/*.json"))
    for field in json.loads(path.read_bytes()):
        assert f"`{field}`" in text or field == "format"
