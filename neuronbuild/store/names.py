"""The names of a store's objects, which are the same in a folder and in a bucket: written here, and parsed here only.

A listing may hold anything: what isn't the name of a record or blob is no object of the store, and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from neuronbuild.digest import ActionKey, is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACTIONS = "v1/actions/"
BLOBS = "v1/blobs/sha256/"
SNAPSHOTS = "v1/snapshots/"
LEASES = "v1/leases/"
QUARANTINE = "quarantine/"


class Named(Protocol):
    """An object in a listing."""

    @property
    def name(self) -> str:
        """Its name."""


Item_co = TypeVar("Item_co", bound=Named, covariant=True)


class Listed(Protocol[Item_co]):
    """What can list its objects by prefix: an `ObjectStore`."""

    def list(self, prefix: str) -> Iterator[Item_co]:
        """Objects under a prefix that ends in `/`."""


def action_name(key: str) -> str:
    """The name of an action's manifest."""
    return f"{ACTIONS}{key[:2]}/{key}.json"


def blob_name(sha256: str) -> str:
    """The name of a blob."""
    return f"{BLOBS}{sha256[:2]}/{sha256}"


def snapshot_name(sha256: str) -> str:
    """The name of a snapshot."""
    return f"{SNAPSHOTS}{sha256[:2]}/{sha256}.json"


def lease_name(key: str) -> str:
    """The name of an action's lease, where leases are objects."""
    return f"{LEASES}{key}.json"


def lock_name(key: str) -> str:
    """The name of an action's lease, where leases are locked files."""
    return f"{LEASES}{key}.lock"


def probe_name(word: str) -> str:
    """The name of an object that is put and removed again, to learn what a place allows."""
    return f"{LEASES}probe-{word}"


def quarantine_name(name: str) -> str:
    """The name that a damaged object gets: no lookup asks for it."""
    return QUARANTINE + name.replace("/", "_")


KINDS = {ACTIONS: action_name, BLOBS: blob_name, SNAPSHOTS: snapshot_name}
"""What is named by a digest: the function that writes the name, by prefix."""


def key_of(name: str) -> ActionKey | None:
    """The key of the action whose manifest has this name, or `None`."""
    digest = _parse(name, action_name)
    return None if digest is None else ActionKey(digest)


def digest_of(name: str) -> str | None:
    """The SHA-256 in the name of a manifest, blob or snapshot; `None` for every other name."""
    return next((_parse(name, name_of) for prefix, name_of in KINDS.items() if name.startswith(prefix)), None)


def original_of(name: str) -> str | None:
    """The name that an object had before it was put in quarantine; `None` if that was no manifest, blob or snapshot."""
    for name_of in KINDS.values():
        original = name_of(name.removesuffix(".json").rpartition("_")[2])
        if quarantine_name(original) == name and digest_of(original) is not None:
            return original
    return None


def list_actions(objects: Listed[Item_co]) -> Iterator[tuple[ActionKey, Item_co]]:
    """The manifests of a place, by key."""
    return ((ActionKey(digest), entry) for digest, entry in _list(objects, ACTIONS))


def list_blobs(objects: Listed[Item_co]) -> Iterator[tuple[str, Item_co]]:
    """The blobs of a place, by SHA-256."""
    return _list(objects, BLOBS)


def list_snapshots(objects: Listed[Item_co]) -> Iterator[tuple[str, Item_co]]:
    """The snapshots of a place, by the SHA-256 of what identifies them."""
    return _list(objects, SNAPSHOTS)


def list_strays(objects: Listed[Item_co]) -> Iterator[Item_co]:
    """Objects among records and blobs whose names are none of the layout."""
    for prefix, name_of in KINDS.items():
        yield from (entry for entry in objects.list(prefix) if _parse(entry.name, name_of) is None)


def _parse(name: str, name_of: Callable[[str], str]) -> str | None:
    """The digest in a name, if the layout gives it just this name."""
    digest = name.rpartition("/")[2].removesuffix(".json")
    return digest if is_hex_digest(digest) and name_of(digest) == name else None


def _list(objects: Listed[Item_co], prefix: str) -> Iterator[tuple[str, Item_co]]:
    for entry in objects.list(prefix):
        digest = _parse(entry.name, KINDS[prefix])
        if digest is not None:
            yield digest, entry
