"""Small artifacts to put into stores, and a look at whether what is in a store is whole."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.digest import ActionKey, digest_bytes, digest_file
from neuronbuild.store.cas import CasStore
from neuronbuild.store.names import BLOBS, action_name, blob_name, digest_of
from neuronbuild.store.provenance import provenance
from tests.doubles.toolchain import fake_action


def key_of(number: int) -> ActionKey:
    """The key of an action."""
    return fake_action(number)[1].key


def contents(number: int, size: int = 40) -> dict[str, bytes]:
    """The files of an artifact; the second is the same in all."""
    return {"model.pt2": f"graph {number} ".encode().ljust(size, b"."), "constants.safetensors": b"constants".ljust(size, b".")}


def model_blob(number: int) -> str:
    """The name of the blob that holds an artifact's graph."""
    return blob_name(digest_bytes(contents(number)["model.pt2"]).sha256)


def put(store: CasStore, number: int, size: int = 40) -> Manifest:
    """Add an artifact as a build does: its files, its log, then its manifest."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, data in contents(number, size).items():
            path = Path(folder, name)
            path.write_bytes(data)
            files.append(store.add(name, path))
        log = store.add_bytes(f"log {number}".encode())
    action = fake_action(number)[1]
    manifest = Manifest(action.key, action.record, tuple(files), provenance(1.0), log=log)
    store.record(manifest)
    return manifest


def make_newer(store: CasStore, number: int) -> bytes:
    """Record an artifact as a version of the future would, and give the record's bytes."""
    data = json.loads(encode(put(store, number)))
    newer = json.dumps({**data, "format": FORMAT + 1, "novelty": {}}).encode()
    store.objects.write(action_name(key_of(number)), newer)
    return newer


def get(store: CasStore, number: int, folder: Path) -> dict[str, bytes] | None:
    """Files of an artifact as they leave the store, or `None` if it has none.

    Raises:
        StoreError: one is missing or damaged.
    """
    manifest = store.lookup(key_of(number))
    if manifest is None:
        return None
    got = {}
    for entry in manifest.files:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            store.fetch(entry.digest, Path(place, "file"))
            got[entry.path] = Path(place, "file").read_bytes()
    return got


def assert_whole(root: Path, store: CasStore) -> int:
    """Every blob is what its name says, and every manifest in a folder names only such; gives the number of manifests."""
    for entry in store.objects.list(BLOBS):
        assert digest_file(root / entry.name).sha256 == digest_of(entry.name)
    files = [entry for entry in store.objects.list("v1/actions/") if entry.name.endswith(".json")]
    manifests = list(store.manifests())
    assert len(manifests) == len(files)
    assert all(store.missing(manifest) is None for manifest in manifests)
    return len(manifests)
