"""Where things lie in a store: the layout, which is the same in a folder and in a bucket.

Names are made of keys here, and keys are read out of names. A listing may hold anything: what isn't the name of a record or
blob is no object of the store, and is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.digest import ActionKey, is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neuronbuild.store.objects import Entry, ObjectStore

ACTIONS = "v1/actions/"
BLOBS = "v1/blobs/sha256/"
SNAPSHOTS = "v1/snapshots/"
LEASES = "v1/leases/"
QUARANTINE = "quarantine/"


def action_name(key: str) -> str:
    """Where the manifest of an action lies."""
    return f"{ACTIONS}{key[:2]}/{key}.json"


def blob_name(sha256: str) -> str:
    """Where a blob lies."""
    return f"{BLOBS}{sha256[:2]}/{sha256}"


def snapshot_name(sha256: str) -> str:
    """Where a snapshot lies."""
    return f"{SNAPSHOTS}{sha256[:2]}/{sha256}.json"


def lease_name(key: str) -> str:
    """Where the lease of an action lies, where leases are objects."""
    return f"{LEASES}{key}.json"


def quarantine_name(name: str) -> str:
    """Where an object is put that is damaged: out of every lookup's way."""
    return QUARANTINE + name.replace("/", "_")


def list_actions(objects: ObjectStore) -> Iterator[tuple[ActionKey, Entry]]:
    """The manifests of a place, by key."""
    return ((ActionKey(digest), entry) for digest, entry in _list(objects, ACTIONS, action_name))


def list_blobs(objects: ObjectStore) -> Iterator[tuple[str, Entry]]:
    """The blobs of a place, by SHA-256."""
    return _list(objects, BLOBS, blob_name)


def list_snapshots(objects: ObjectStore) -> Iterator[tuple[str, Entry]]:
    """The snapshots of a place, by the SHA-256 of what identifies them."""
    return _list(objects, SNAPSHOTS, snapshot_name)


def list_strays(objects: ObjectStore) -> Iterator[Entry]:
    """What lies among records and blobs, and is named like none of them."""
    for prefix, name_of in ((ACTIONS, action_name), (BLOBS, blob_name), (SNAPSHOTS, snapshot_name)):
        yield from (entry for entry in objects.list(prefix) if digest_in(entry.name, name_of) is None)


def digest_in(name: str, name_of: Callable[[str], str]) -> str | None:
    """The digest that an object is named after, if the layout gives it just this name."""
    digest = name.rpartition("/")[2].removesuffix(".json")
    return digest if is_hex_digest(digest) and name_of(digest) == name else None


def _list(objects: ObjectStore, prefix: str, name_of: Callable[[str], str]) -> Iterator[tuple[str, Entry]]:
    for entry in objects.list(prefix):
        digest = digest_in(entry.name, name_of)
        if digest is not None:
            yield digest, entry
