from __future__ import annotations

import os
from pathlib import Path

import pytest

from neuronbuild.files import read_plain


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
