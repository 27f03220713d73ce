"""What all doubles of the Neuron SDK share: which release they stand in for, what goes wrong, and a diary.

Written from the documented contracts, not from the code that they test. `double.json` lies in the environment that they
are installed in.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import struct
import tarfile

HEADER = struct.Struct("<5Q128sI32s16s256sI64sQI468s")
FIRST_CPU_BACKEND = (2, 21)
FIRST_KEYWORDS = (2, 16)


def place() -> pathlib.Path:
    """The file of settings."""
    return pathlib.Path(__file__).parents[3] / "double.json"


def settings() -> dict:
    """sdk, compiler, build, device, acts."""
    return json.loads(place().read_text())


def sdk() -> tuple:
    """The release that is emulated, as numbers."""
    return tuple(int(part) for part in settings()["sdk"].split("."))


def note(**entry) -> None:
    """One line in the diary: what was called, with what."""
    handle = os.open(place().with_name("diary.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, (json.dumps(entry) + "\n").encode())
    os.close(handle)


def diary() -> list:
    """All that was noted."""
    file = place().with_name("diary.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


STEP = "NEURON_DOUBLE_STEP"
"""The first size of the first input, for the processes that a trace starts."""


def act(stage: str) -> str:
    """What goes wrong at a stage (`trace`, `cc`, `save`) of a step; ` once` at its end: only the first time."""
    name = f"{stage} {os.environ.get(STEP, '')}"
    chosen, _, once = settings()["acts"].get(name, "").partition(" ")
    tried = any(entry.get("act") == name for entry in diary())
    if chosen:
        note(act=name)
    return "" if once and tried else chosen


def require_device() -> None:
    """The runtime starts when a model is loaded."""
    if not settings()["device"]:
        raise RuntimeError(
            "The PyTorch Neuron Runtime could not be initialized. Neuron Driver issues are logged to your system logs."
        )


RUN = ".run"
"""The suffix of the file beside an HLO module that the double of the runtime runs: it can't run HLO."""

JIT = b"PK"
"""How a graph of torch.jit begins, which stands for HLO where torch-xla isn't installed."""


def read_hlo(data: bytes) -> dict | None:
    """The name of an HLO module, and how many computations and instructions it has; `None` of a graph of torch.jit.

    Fields by xla/service/hlo.proto: of HloModuleProto 1 is the name and 3 a computation, of HloComputationProto 2 is an
    instruction.

    Raises:
        ValueError: these bytes are neither.
    """
    if data.startswith(JIT):
        return None
    fields = list(_fields(data))
    names = [value for number, value in fields if number == 1]
    computations = [value for number, value in fields if number == 3]
    instructions = sum(number == 2 for each in computations for number, _ in _fields(each))
    if not names or not instructions:
        raise ValueError("the input is no HLO module")
    return {"name": names[0].decode(), "computations": len(computations), "instructions": instructions}


def hlo_id(number: int) -> bytes:
    """What gives an HLO module an id when it is put behind it: of a field that is there twice, the last one counts."""
    assert 0 <= number < 128
    return bytes([5 << 3, number])


def _fields(data: bytes):
    """Numbers and values of a protobuf message's fields."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
        else:
            size, place = (8, place) if kind == 1 else (4, place) if kind == 5 else _varint(data, place)
            if kind not in (1, 2, 5) or place + size > len(data):
                raise ValueError("the input is no protobuf message")
            value, place = data[place : place + size], place + size
        yield key >> 3, value


def _varint(data: bytes, place: int) -> tuple:
    value = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("the input ends within a number")
        byte, place = data[place], place + 1
        value, shift = value | (byte & 127) << shift, shift + 7
        if not byte & 128:
            return value, place


def make_neff(payload: bytes, lnc: int) -> bytes:
    """A header as it is documented, and a tarball with the payload in it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        entry = tarfile.TarInfo("graph")
        entry.size = len(payload)
        archive.addfile(entry, io.BytesIO(payload))
    body = data.getvalue()
    build = settings()["compiler"].encode()
    digest = hashlib.sha256(body).digest()
    return HEADER.pack(2, 1024, len(body), 2, 0, build, 1, digest, os.urandom(16), b"graph", 1, b"", 0, lnc, b"") + body


def payload_of(neff: bytes) -> bytes:
    """What `make_neff` was given."""
    assert len(neff) > HEADER.size
    with tarfile.open(fileobj=io.BytesIO(neff[HEADER.size :]), mode="r:gz") as archive:
        return archive.extractfile("graph").read()
