from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.files import (
    LONGEST_JSON,
    LONGEST_PART,
    LONGEST_PATH,
    MOST_VALUES,
    UnsafeNameError,
    check_name,
    check_names,
    fold_name,
    parse_json,
    read_plain,
)
from tests.tools.fuzz import few
from tests.unit.artifact.records import UNSAFE_PATHS

SAFE = ["a", "model.pt2", "a/b/c", ".hidden", "..a", "with space", "é", "-rf", "a/...b", "console", "com", "null.txt"]
UNSAFE = [
    "a..", "...", "a ", "a./b", "C:/x", "C:x", "file:stream", "\\\\server\\share", "a\\b", "con", "NUL.txt", "a/Aux", "lpt1",
    "a\nb", "a\x1b[2Jb", "a\x7f", "a\u202eb", "a\u2028b", "\ud800", "a" * (LONGEST_PART + 1), "é" * (LONGEST_PART // 2 + 1),
    "/".join(["a" * 9] * (LONGEST_PATH // 10 + 1)),
]  # fmt: skip


@pytest.mark.parametrize("name", SAFE)
def test_an_ordinary_name_passes(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", [*UNSAFE_PATHS, *UNSAFE])
def test_a_name_that_could_mean_another_place_is_refused(name):
    with pytest.raises(UnsafeNameError, match="unsafe path"):
        check_name(name)


@few
@given(st.text(alphabet="./\\ab\0: ", max_size=8))
def test_a_name_that_passes_stays_below_its_folder(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp()
    try:
        check_name(name)
    except UnsafeNameError:
        return
    assert (root / name).resolve().is_relative_to(root.resolve())
    assert "/".join((root / name).relative_to(root).parts) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "a"), ("Model", "model"), ("A/b", "a/B"), ("stra\xdfe", "STRASSE"), ("\xe9", "e\u0301"), ("\xc5", "\u212b")],
)
def test_names_that_are_one_file_on_some_systems_are_refused_together(one, other):
    check_names([one])
    check_names([other])
    with pytest.raises(UnsafeNameError, match="the same file as"):
        check_names([one, other])


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b/c", "A"), ("x", "a/b/c", "a/b")])
def test_a_file_that_is_a_folder_as_well_is_refused(names):
    with pytest.raises(UnsafeNameError, match="is a file as well"):
        check_names(names)


@few
@given(st.text(max_size=6))
def test_folding_is_done_once(name):
    assert fold_name(fold_name(name)) == fold_name(name)


BAD_JSON = {
    "empty": "",
    "cut short": "{",
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "digits": "1" * 5_000,
    "bytes": b"\xff",
    "half a character": "\ud800",
    "many numbers": "[" + "0," * (MOST_VALUES + 1) + "0]",
    "many lists": "[" + "[]," * (MOST_VALUES // 2 + 1) + "0]",
    "long": b'"' + b"a" * LONGEST_JSON + b'"',
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_whatever_is_wrong_with_json_is_one_kind_of_error(kind):
    with pytest.raises(ValueError):  # noqa: PT011 (each in other words)
        parse_json(BAD_JSON[kind])


def test_json_is_read():
    assert parse_json('{"a": [1, 2.5, null, "\xe9"]}') == parse_json('{"a": [1, 2.5, null, "\xe9"]}'.encode())
    assert parse_json(b"[1]") == [1]


def test_a_file_is_read_up_to_the_most_bytes_that_it_may_have(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_plain(tmp_path / "file") == read_plain(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, at most 4 are read"):
        read_plain(tmp_path / "file", 4)


def test_a_pipe_is_refused_and_not_waited_on(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        read_plain(tmp_path / "pipe")


def test_devices_and_folders_are_refused(tmp_path):
    with pytest.raises(OSError, match="no regular file"):
        read_plain("/dev/zero")
    with pytest.raises(IsADirectoryError):
        read_plain(tmp_path)


def test_a_missing_file_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "none")


def test_no_handle_stays_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(IsADirectoryError):
        read_plain(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
