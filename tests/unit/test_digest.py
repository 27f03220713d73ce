from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild import digest
from neuronbuild.digest import (
    Digest,
    Pieces,
    canonical_json,
    digest_bytes,
    digest_file,
    digest_json,
    digest_pieces,
    digest_whole_and_pieces,
    is_hex_digest,
)
from tests.tools.fuzz import few, json_values

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_is_the_sha_256_and_the_size():
    assert digest_bytes(b"abc") == Digest(hashlib.sha256(b"abc").hexdigest(), 3)


def test_nothing_has_a_digest_too():
    assert digest_bytes(b"") == Digest(EMPTY, 0)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 24])
def test_a_file_is_digested_in_chunks(tmp_path, monkeypatch, size):
    monkeypatch.setattr(digest, "CHUNK", 8)
    data = bytes(range(size))
    file = tmp_path / "file"
    file.write_bytes(data)
    assert digest_file(file) == digest_bytes(data)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        digest_file(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n", " " + "0" * 63, "\uff10" * 64])
def test_only_64_lower_case_hex_digits_name_a_digest(text):
    assert not is_hex_digest(text)
    with pytest.raises(ValueError, match="not a SHA-256"):
        Digest(text, 0)


def test_a_size_is_never_negative():
    with pytest.raises(ValueError, match="negative size: -1"):
        Digest(EMPTY, -1)


def test_a_strange_digest_is_not_repeated_at_length():
    with pytest.raises(ValueError, match="not a SHA-256") as caught:
        Digest("x" * 100_000, 0)
    assert len(str(caught.value)) < 200


def test_canonical_json_sorts_keys_and_has_no_white_space():
    assert (
        canonical_json({"b": [1, 2.5, None], "a": {"d": True, "c": "é"}})
        == '{"a":{"c":"é","d":true},"b":[1,2.5,null]}'.encode()
    )


def test_a_number_of_another_kind_is_another_value():
    assert digest_json(1) != digest_json(1.0) != digest_json("1.0")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [float("nan")], {"a": float("inf")}])
def test_what_json_has_no_number_for_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {("a", "b"): 1}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(TypeError):
        canonical_json(value)


@few
@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@few
@given(json_values)
def test_canonical_json_of_what_was_read_back_is_the_same_bytes(value):
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@few
@given(st.dictionaries(st.text(), json_values, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_keys_makes_no_difference(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert digest_json(dict(items)) == digest_json(value)


@few
@given(json_values, json_values)
def test_two_values_share_a_digest_only_if_they_are_the_same_text(one, other):
    assert (digest_json(one) == digest_json(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_digests_sort_as_records_do():
    low, high = Digest("0" * 64, 9), Digest("f" * 64, 1)
    assert sorted([high, low]) == [low, high]


@given(st.binary(max_size=300), st.integers(1, 70))
def test_pieces_are_the_digests_of_the_parts(data, size):
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        pieces = digest_pieces(Path(file.name), size)
    assert pieces.sha256 == tuple(digest_bytes(data[start : start + size]).sha256 for start in range(0, len(data), size))
    assert pieces.fit(len(data))
    assert not pieces.fit(len(data) + size)


@given(st.binary(max_size=300))
def test_a_blob_is_its_own_only_piece(data):
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        whole = Pieces.whole(digest_bytes(data))
        assert digest_pieces(Path(file.name), whole.size) == whole
        assert digest_whole_and_pieces(Path(file.name)) == (digest_bytes(data), None)


@pytest.mark.parametrize(("size", "sha256"), [(0, ()), (-1, ()), (1, ("x",)), (1, ("A" * 64,))])
def test_pieces_that_cant_be_are_refused(size, sha256):
    with pytest.raises(ValueError, match="pieces"):
        Pieces(size, sha256)
