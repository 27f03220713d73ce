from __future__ import annotations

import math
from dataclasses import replace

import pytest

from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.codec import DecodeError, decode, encode, parse_action
from neuronbuild.artifact.manifest import FORMAT, PADDING, Check, FileEntry, Manifest
from neuronbuild.digest import Digest, digest_bytes
from neuronbuild.files import UnsafeNameError
from tests.unit.artifact.actions import compile_action
from tests.unit.artifact.records import ACTION, KEY, MANIFEST, UNSAFE_PATHS, plain, sealed


def read(**changes):
    """The manifest, changed, as if it came from a store."""
    return decode(Manifest, sealed({**plain(MANIFEST), **changes}), newest=FORMAT)


@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_a_path_that_could_leave_its_folder_is_refused(path):
    with pytest.raises(UnsafeNameError, match="unsafe path"):
        FileEntry(path, digest_bytes(b""))


@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_a_stored_manifest_with_an_unsafe_path_is_refused(path):
    with pytest.raises(DecodeError, match=r"files\.0: Value error, unsafe path"):
        read(files=[{"path": path, "digest": {"sha256": "0" * 64, "size": 1}}])


@pytest.mark.parametrize("path", ["manifest.json", "Manifest.JSON"])
def test_no_file_of_an_artifact_is_called_like_its_manifest(path):
    with pytest.raises(DecodeError, match=r"manifest\.json is the manifest's own name"):
        read(files=[{"path": path, "digest": {"sha256": "0" * 64, "size": 1}}])


def test_a_manifest_of_compiled_code_without_files_is_refused():
    action = compile_action()
    with pytest.raises(DecodeError, match="names no files"):
        read(files=[], action=action.document(), key=action_key(action))
    assert read(files=[]).files == ()  # of a check, say


@pytest.mark.parametrize("said", [3, {"a": 1}, [1], "logits"])
def test_omitted_outputs_are_names(said):
    with pytest.raises(DecodeError, match="omitted"):
        read(facts={"omitted": said})


def test_a_path_named_twice_is_refused():
    entry = FileEntry("a", digest_bytes(b""))
    with pytest.raises(ValueError, match="the same file as"):
        replace(MANIFEST, files=(entry, entry))


def test_a_stored_manifest_with_a_path_named_twice_is_refused():
    entry = {"path": "a", "digest": {"sha256": "0" * 64, "size": 1}}
    with pytest.raises(DecodeError, match="the same file as"):
        read(files=[entry, {**entry, "digest": {"sha256": "1" * 64, "size": 2}}])


@pytest.mark.parametrize("key", ["", "0" * 64, KEY.upper(), KEY[:-1], KEY + "0", "../" + KEY])
def test_a_key_that_is_not_the_digest_of_the_action_is_refused(key):
    with pytest.raises(DecodeError, match="not the digest of the action"):
        read(key=key)


@pytest.mark.parametrize("action", [{}, {**ACTION, "task": "other"}, {**ACTION, "eps": 0}, {**ACTION, "more": None}])
def test_an_action_altered_under_its_key_is_refused(action):
    with pytest.raises(DecodeError, match="not the digest of the action"):
        read(action=action)


def test_the_order_of_an_actions_keys_makes_no_difference():
    assert read(action=dict(reversed(ACTION.items()))) == MANIFEST


def test_a_whole_number_written_as_a_decimal_is_another_action():
    with pytest.raises(DecodeError, match="not the digest of the action"):
        read(action={**ACTION, "shape": {"batch_size": 1.0, "sequence_length": 64}})


@pytest.mark.parametrize(
    "digest", [{"sha256": "x", "size": 1}, {"sha256": "0" * 64, "size": -1}, {"sha256": "0" * 64}, None, []]
)
def test_a_file_needs_a_digest(digest):
    with pytest.raises(DecodeError, match=r"files\.0\.digest"):
        read(files=[{"path": "a", "digest": digest}])


def test_a_file_is_found_by_its_path():
    assert MANIFEST.file("model.pt2") == digest_bytes(b"code")
    assert MANIFEST.file("absent") is None


def test_the_blobs_are_those_of_the_files_and_not_the_log():
    assert list(MANIFEST.blobs()) == [digest_bytes(b"code"), digest_bytes(b"")]


def test_two_paths_may_share_one_blob():
    same = Digest("0" * 64, 1)
    manifest = replace(MANIFEST, files=(FileEntry("a", same), FileEntry("b", same)))
    assert list(manifest.blobs()) == [same, same]


def test_a_manifest_without_the_optional_parts_is_whole():
    bare = Manifest(KEY, parse_action(ACTION), (), MANIFEST.provenance)
    assert decode(Manifest, encode(bare), newest=FORMAT) == bare
    assert bare.key == action_key(bare.action)


@pytest.mark.parametrize(
    ("errors", "exceeded"),
    [({"a": 1e-3, "b": 0.0}, False), ({"a": 3e-3, "b": 0.0}, True), ({"a": math.nan, "b": 0.0}, True), ({}, True)],
)
def test_a_check_is_exceeded_by_one_output_beyond_its_tolerance_and_where_nothing_could_be_measured(errors, exceeded):
    check = Check(PADDING, "eager", errors, {"a": 20.0, "b": 1.0}, 1e-4)
    assert check.is_exceeded == exceeded
    assert replace(MANIFEST, checks=(check,)).padding_matters == exceeded
    assert not replace(MANIFEST, checks=(replace(check, kind="random-weights"),)).padding_matters
