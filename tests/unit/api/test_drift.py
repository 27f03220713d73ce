from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api.drift import model_drift, toolchain_drift
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes

ONE = Snapshot("m", None, {"a": digest_bytes(b"1"), "c": digest_bytes(b"3")})
CPU = Fingerprint(
    "inductor",
    "cpu",
    {"torch": "2.13.0", "g++": "12.2.0"},
    {"march": "x86-64-v3", "cpu_flags": ["avx2", "fma"], "inductor": {"cpp.threads": 8}},
)


def test_a_model_that_is_as_locked_has_no_drift():
    assert model_drift(ONE, ONE) is None


def test_files_that_differ_are_named_with_how():
    other = replace(ONE, files={"a": digest_bytes(b"2"), "b": digest_bytes(b"")})
    assert model_drift(ONE, other) == "model m: a differs, b is new, c is gone"


def test_another_commit_is_named_beside_the_old_one():
    assert model_drift(replace(ONE, revision="c1"), replace(ONE, revision="c2")) == "model m: commit c1 -> c2"


def test_many_files_are_counted():
    many = replace(ONE, files={f"{number}.bin": digest_bytes(b"") for number in range(9)})
    assert model_drift(replace(ONE, files={}), many).endswith("4.bin is new, 4 more")


def test_a_toolchain_that_is_as_locked_has_no_drift():
    assert toolchain_drift(CPU, replace(CPU, versions=dict(CPU.versions))) is None


def test_a_toolchain_that_isnt_in_the_lock_is_told_as_such():
    assert toolchain_drift(None, CPU) == "toolchain inductor for cpu: not in the lock"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": {"torch": "2.12.0", "g++": "12.2.0"}}, "torch 2.13.0 -> 2.12.0"),
        ({"versions": {"torch": "2.13.0"}}, "g++ 12.2.0 -> none"),
        ({"flags": {**CPU.flags, "march": "x86-64-v4"}}, "march x86-64-v3 -> x86-64-v4"),
        ({"flags": {**CPU.flags, "cpu_flags": ["avx2"]}}, "cpu_flags.fma yes -> none"),
        ({"flags": {**CPU.flags, "inductor": {"cpp.threads": 4}}}, "inductor.cpp.threads 8 -> 4"),
    ],
)
def test_what_differs_of_a_toolchain_is_named_with_both_values(changes, words):
    assert toolchain_drift(CPU, replace(CPU, **changes)) == f"toolchain inductor for cpu: {words}"


def test_releases_of_the_sdk_are_named_before_their_packages():
    old = Fingerprint("neuronx", "inf2", {"neuronx-cc": "2.26.6360.0+82129205", "torch-neuronx": "2.9.0.2.15.32035"})
    new = Fingerprint("neuronx", "inf2", {"neuronx-cc": "2.25.3371.0", "torch-neuronx": "2.9.0.2.14.27725"})
    said = toolchain_drift(old, new)
    assert said.startswith("toolchain neuronx for inf2: SDK 2.31.0 -> 2.30.0 (neuronx-cc 2.26.6360.0+82129205 -> 2.25.3371.0, ")
