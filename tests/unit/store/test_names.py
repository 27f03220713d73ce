from __future__ import annotations

from neuronbuild.store.names import action_name, blob_name, lease_name, quarantine_name, snapshot_name

HEX = "ab" + "cd" * 31


def test_names_are_those_of_the_layout():
    assert action_name(HEX) == f"v1/actions/ab/{HEX}.json"
    assert blob_name(HEX) == f"v1/blobs/sha256/ab/{HEX}"
    assert snapshot_name(HEX) == f"v1/snapshots/ab/{HEX}.json"
    assert lease_name(HEX) == f"v1/leases/{HEX}.json"


def test_what_is_put_aside_lies_flat():
    assert quarantine_name(blob_name(HEX)) == f"quarantine/v1_blobs_sha256_ab_{HEX}"
