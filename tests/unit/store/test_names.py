from __future__ import annotations

import pytest

from neuronbuild.store.names import (
    action_name,
    blob_name,
    digest_of,
    key_of,
    lease_name,
    list_actions,
    list_blobs,
    list_snapshots,
    list_strays,
    lock_name,
    original_of,
    probe_name,
    quarantine_name,
    snapshot_name,
)
from neuronbuild.store.objects.memory import MemoryObjects

HEX = "ab" + "cd" * 31


def test_names_are_those_of_the_layout():
    assert action_name(HEX) == f"v1/actions/ab/{HEX}.json"
    assert blob_name(HEX) == f"v1/blobs/sha256/ab/{HEX}"
    assert snapshot_name(HEX) == f"v1/snapshots/ab/{HEX}.json"
    assert lease_name(HEX) == f"v1/leases/{HEX}.json"
    assert lock_name(HEX) == f"v1/leases/{HEX}.lock"
    assert probe_name("x") == "v1/leases/probe-x"


def test_what_is_put_aside_lies_flat():
    assert quarantine_name(blob_name(HEX)) == f"quarantine/v1_blobs_sha256_ab_{HEX}"


@pytest.mark.parametrize("name_of", [action_name, blob_name, snapshot_name])
def test_names_are_parsed_into_what_they_were_written_from(name_of):
    assert digest_of(name_of(HEX)) == HEX
    assert original_of(quarantine_name(name_of(HEX))) == name_of(HEX)
    assert key_of(name_of(HEX)) == (HEX if name_of is action_name else None)


@pytest.mark.parametrize("name", [f"quarantine/{HEX}", f"quarantine/v1_leases_{HEX}.json", f"v1_actions_ab_{HEX}.json", ""])
def test_only_a_quarantined_record_or_blob_has_an_original(name):
    assert original_of(name) is None


STRAYS = [
    "v1/actions/.DS_Store", "v1/actions/README.md", "v1/actions/ab/notes.json", f"v1/actions/{HEX}.json",
    f"v1/actions/cd/{HEX}.json",
    f"v1/actions/ab/{HEX}", f"v1/actions/ab/{HEX}.json~", f"v1/actions/ab/x/{HEX}.json", f"v1/actions/ab/{HEX.upper()}.json",
    f"v1/actions/ab/x{HEX}.json", f"v1/blobs/sha256/ab/{HEX}.json", f"v1/blobs/sha256/{HEX}", "v1/blobs/sha256/ab/ab",
    f"v1/blobs/sha256/ab/{HEX}.tmp", "v1/snapshots/../../x", "v1/snapshots/../../../.bashrc",
    f"v1/snapshots/ab/../ab/{HEX}.json",
    f"v1/snapshots/ab/{HEX}", f"v1/snapshots//ab/{HEX}.json", f"v1/actions/ab/{HEX[:-1]}\n.json",
]  # fmt: skip


@pytest.mark.parametrize("name", [*STRAYS, lease_name(HEX), quarantine_name(blob_name(HEX))])
def test_what_isnt_named_by_the_layout_has_no_digest(name):
    assert digest_of(name) is key_of(name) is original_of(quarantine_name(name)) is None


@pytest.mark.parametrize(
    ("name_of", "listing"), [(action_name, list_actions), (blob_name, list_blobs), (snapshot_name, list_snapshots)]
)
def test_a_listing_gives_what_the_layout_names_and_nothing_else(name_of, listing):
    objects = MemoryObjects()
    for name in STRAYS:
        objects.write(name, b"stray")
    objects.write(name_of(HEX), b"ours")
    assert [(digest, entry.name) for digest, entry in listing(objects)] == [(HEX, name_of(HEX))]
    assert sorted(entry.name for entry in list_strays(objects)) == sorted(STRAYS)
