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
