"""What a safetensors file holds, from its header alone: no tensor is read, and no library is needed.

Format: 8 bytes little-endian length, then that much JSON (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from neuronbuild.counts import counted
from neuronbuild.files import parse_json

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 100 << 20
"""Longest header that the format's own library reads."""

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


FAULTS = (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading a header of any bytes may raise."""


class HeaderError(ValueError):
    """Bytes that are no safetensors header."""


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype (torch's name) and shape of each tensor, by name.

    Raises:
        HeaderError: the file isn't in this format, or shorter than its header says.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LIMIT:
                raise ValueError(f"a header of {counted(length, 'byte')}")
            header: Any = parse_json(file.read(length))
            header.pop("__metadata__", None)
            size = 8 + length + max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
            tensors = {name: (DTYPES.get(e["dtype"], e["dtype"]), tuple(e["shape"])) for name, e in header.items()}
        except FAULTS as error:
            raise HeaderError(f"{path.name} is no safetensors file: {error}") from None
    actual = path.stat().st_size
    if actual != size:
        raise HeaderError(f"{path.name} has {counted(actual, 'byte')}, its header says {size:,}")
    return tensors
