from __future__ import annotations

import pytest

from neuronbuild.store.link import copy_file, link_file, reflink
from tests.unit.store.disks import fill, small_disk


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(b"bytes")
    return tmp_path / "source"


def test_a_copy_has_the_bytes_and_neither_mode_nor_inode(source, tmp_path):
    source.chmod(0o444)
    copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"bytes"
    assert (tmp_path / "copy").stat().st_mode & 0o200
    assert (tmp_path / "copy").stat().st_ino != source.stat().st_ino


@pytest.mark.parametrize("mode", ["auto", "reflink", "hardlink", "copy"])
def test_what_is_there_is_never_replaced(source, tmp_path, mode):
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        link_file(source, tmp_path / "mine", mode)
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("mode", ["auto", "reflink", "hardlink", "copy"])
def test_a_source_that_isnt_there_leaves_nothing(tmp_path, mode):
    with pytest.raises(FileNotFoundError):
        link_file(tmp_path / "absent", tmp_path / "file", mode)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_the_way_that_was_asked_for_is_the_way_taken(source, tmp_path, mode):
    assert link_file(source, tmp_path / "file", mode) == mode
    assert ((tmp_path / "file").stat().st_ino == source.stat().st_ino) == (mode == "hardlink")


def test_a_reflink_either_shares_all_bytes_or_leaves_nothing(source, tmp_path):
    if reflink(source, tmp_path / "file"):
        assert (tmp_path / "file").read_bytes() == b"bytes"
        assert link_file(source, tmp_path / "best", "auto") == "reflink"
    else:
        assert not (tmp_path / "file").exists()
        assert link_file(source, tmp_path / "best", "auto") == "hardlink"


def test_a_reflink_that_cant_be_made_is_an_error_where_it_was_asked_for(source, tmp_path):
    with small_disk(tmp_path / "disk") as disk, pytest.raises(OSError, match="no reflinks between"):
        link_file(source, disk / "file", "reflink")


def test_between_disks_the_best_way_is_a_copy(source, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        assert link_file(source, disk / "file", "auto") == "copy"
        assert (disk / "file").read_bytes() == b"bytes"


def test_a_copy_that_doesnt_fit_leaves_no_part_of_it(tmp_path):
    (tmp_path / "source").write_bytes(bytes(300_000))
    with small_disk(tmp_path / "disk") as disk:
        fill(disk, but=100)
        with pytest.raises(OSError, match="No space left"):
            copy_file(tmp_path / "source", disk / "file")
        assert not (disk / "file").exists()
