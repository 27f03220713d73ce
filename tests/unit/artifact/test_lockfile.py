from __future__ import annotations

import json
from dataclasses import replace

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.lockfile import LockedModel, LockFile, locked_toolchain
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes

FILES = {"config.json": digest_bytes(b"{}")}
MODEL = LockedModel(
    "org/model", "main", "", "c0ffee", FILES, {"config.json": {"model_type": "bert"}}, ("a" * 64,), "mit", gated=True
)
FINGERPRINT = Fingerprint("fake", "cpu", {"fake": "1.0"}, {"level": 1})
LOCK = LockFile((MODEL,), (locked_toolchain(FINGERPRINT),))


def test_a_lock_comes_back_from_json():
    assert decode_part(LockFile, json.loads(json.dumps(LOCK.as_json()))) == LOCK


def test_it_names_models_and_toolchains():
    assert LOCK.model(("org/model", "main", "")) == MODEL
    assert LOCK.model(("org/model", None, "")) is None
    assert LOCK.fingerprint("fake", "cpu") == FINGERPRINT
    assert LOCK.fingerprint("fake", "inf2") is None
    assert MODEL.snapshot == Snapshot("org/model", "c0ffee", FILES, "mit", gated=True)


def test_its_order_says_nothing():
    other = replace(MODEL, model="org/another", revision=None)
    assert LockFile((MODEL, other)).as_json() == LockFile((other, MODEL)).as_json()
