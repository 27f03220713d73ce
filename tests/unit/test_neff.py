from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.neff import HEADER, SIZE, NeffError, find_neff, parse, read_neff
from tests.tools.fuzz import few
from tests.unit.neffs import archive, neff


def test_the_header_has_the_size_that_it_says():
    assert HEADER.size == SIZE == 1024


def test_the_fields_are_read(tmp_path):
    (tmp_path / "file.neff").write_bytes(neff(lnc=2, features=0x100))
    found = read_neff(tmp_path / "file.neff")
    assert (found.version, found.build_version, found.name) == ("2.0", "2.26.6360.0", "graph")
    assert (found.lnc_size, found.feature_bits, found.data_size) == (2, 0x100, 7)
    assert (found.hash, found.uuid) == ("aa" * 32, "bb" * 16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a header has more than 0 bytes"),
        (b"short", "a header has more than 5 bytes"),
        (b"\0" * 4096, "makes no sense"),
        (neff(size=512), "makes no sense"),
        (neff(lnc=3), "makes no sense"),
        (neff()[:-1], "holds 6 bytes after its header, which says 7"),
        (neff() + b"x", "holds 8 bytes after its header, which says 7"),
    ],
)
def test_what_is_no_neff_is_told(tmp_path, data, message):
    (tmp_path / "file.neff").write_bytes(data)
    with pytest.raises(NeffError, match=message):
        find_neff(tmp_path / "file.neff")


def test_one_is_found_in_an_archive_where_it_lies(tmp_path):
    path = archive(tmp_path / "model.neuron", b"weights" * 500, neff(lnc=2))
    found = find_neff(path)
    assert found.lnc_size == 2
    assert path.read_bytes()[found.offset :][:SIZE] == neff(lnc=2)[:SIZE]


def test_one_amid_other_bytes_of_an_entry_is_found(tmp_path):
    assert find_neff(archive(tmp_path / "m.neuron", b"pickle" + neff() + b"tail")).data_size == 7


def test_the_number_1024_alone_is_no_neff(tmp_path):
    decoy = struct.pack("<QQ", 5, 1024) + b"\xff" * 2048
    with pytest.raises(NeffError, match="holds no NEFF"):
        find_neff(archive(tmp_path / "m.neuron", decoy))
    assert find_neff(archive(tmp_path / "n.neuron", decoy + neff())).version == "2.0"


@pytest.mark.parametrize("entries", [(), (neff(length=1 << 40),), (neff(b""),)])
def test_an_archive_without_a_whole_one_is_told(tmp_path, entries):
    with pytest.raises(NeffError, match="holds no NEFF"):
        find_neff(archive(tmp_path / "m.neuron", *entries))


def test_an_archive_that_is_cut_short_is_told(tmp_path):
    path = archive(tmp_path / "m.neuron", neff())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(NeffError):
        find_neff(path)


@few
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_neff_or_an_error(data):
    with contextlib.suppress(NeffError):
        parse(data, 0)
