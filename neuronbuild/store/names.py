"""Where things lie in a store: the layout, which is the same in a folder and in a bucket."""

from __future__ import annotations

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
