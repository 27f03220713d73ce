"""NEFF, the Neuron compiler's executable: its header, and where one lies in a TorchScript archive.

A header of 1,024 bytes, little-endian without padding, then a tarball
(https://awsdocs-neuron.readthedocs-hosted.com/en/latest/neuron-runtime/explore/work-with-neff-files.html). Needs no SDK.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = struct.Struct("<5Q128sI32s16s256sI64sQI468s")
SIZE = 1024
SIZE_FIELD = struct.pack("<Q", SIZE)
"""The header's own size, at offset 8 of it: what is searched for."""

HIGHEST_MAJOR = 64
BOTH_CORES = 2
"""Physical cores that one may be made of, at most."""


class NeffError(ValueError):
    """Bytes that are no NEFF: the message goes after a file's name."""


@dataclass(frozen=True, slots=True)
class Neff:
    """A header's fields, and where the NEFF begins in its file. `hash` and `uuid` are in hexadecimal."""

    offset: int
    pkg_version: int
    header_size: int
    data_size: int
    version: str
    build_version: str
    num_tpb: int
    hash: str
    uuid: str
    name: str
    requested_tpb_count: int
    feature_bits: int
    lnc_size: int


def read_neff(path: Path) -> Neff:
    """The header of a file that is a NEFF and nothing else.

    Raises:
        NeffError: it isn't one, or it is cut short.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        data = file.read(SIZE)
    actual = path.stat().st_size
    neff = parse(data, 0)
    if neff.data_size != actual - SIZE:
        raise NeffError(f"holds {counted(actual - SIZE, 'byte')} after its header, which says {neff.data_size:,}")
    return neff


def find_neff(path: Path) -> Neff:
    """The first NEFF in a file: the file itself, or what lies whole in one entry of an archive that torch wrote.

    torch stores entries as they are, so their bytes are searched in place, mapped and not read.

    Raises:
        NeffError: there is none, or the archive is damaged.
        OSError: it can't be read.
    """
    if not zipfile.is_zipfile(path):
        return read_neff(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, end in _entries(path, data):
            for neff in _candidates(data, start, end):
                return neff
    raise NeffError("holds no NEFF")


def parse(data: bytes, offset: int) -> Neff:
    """A header's fields.

    Raises:
        NeffError: the bytes can't be one.
    """
    if len(data) < SIZE:
        raise NeffError(f"is no NEFF: a header has more than {counted(len(data), 'byte')}")
    (pkg, header, size, major, minor, build, tpbs, digest, uuid, name, asked, _, features, lnc, _) = HEADER.unpack(data[:SIZE])
    if header != SIZE or not 0 < pkg < HIGHEST_MAJOR or major > HIGHEST_MAJOR or lnc > BOTH_CORES:
        raise NeffError("is no NEFF: its header makes no sense")
    return Neff(
        offset, pkg, header, size, f"{major}.{minor}", _text(build), tpbs, digest.hex(), uuid.hex(), _text(name), asked,
        features, lnc,
    )  # fmt: skip


def _entries(path: Path, data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where the stored entries of an archive begin and end, the largest first."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: -entry.file_size):
                name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)  # lengths in the local header
                start = entry.header_offset + 30 + name + extra
                if entry.compress_type == zipfile.ZIP_STORED:
                    yield start, start + entry.file_size
    except (zipfile.BadZipFile, struct.error) as error:
        raise NeffError(f"is a damaged archive: {error}") from None


def _candidates(data: mmap.mmap, start: int, end: int) -> Iterator[Neff]:
    """Headers in one entry whose data fit into it."""
    found = data.find(SIZE_FIELD, start + 8, end)
    while found >= 0:
        offset = found - 8
        try:
            neff = parse(data[offset : min(offset + SIZE, end)], offset)
            if 0 < neff.data_size <= end - offset - SIZE:
                yield neff
        except NeffError:
            pass
        found = data.find(SIZE_FIELD, found + 1, end)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
