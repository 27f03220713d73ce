"""What the Neuron compilers leave behind when they fail, and which class of failure that is."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator

from .errors import JobError

SAID = "framework.log"
LOGS = ("log-neuron-cc.txt", "neuron-cc.log", SAID)
TAIL = 1 << 16

CODE = re.compile(r"\[?(NCC_[EI][A-Z]*\d+)\]?[:\s-]*(.*)")
DEVICE_MEMORY = ("NCC_EOOM", "NCC_EVRF009", "XCG815")
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
HOST_MEMORY = ("F137", "insufficient system memory")
INTERNAL = 70
"""The exit status of a compiler that found a fault in itself (EX_SOFTWARE of sysexits.h)."""


def read(folder: str) -> str:
    """The end of every compiler's log below a folder; also printed, so that it stands in the job's own log."""
    texts = []
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(set(names) & set(LOGS)):
            with open(os.path.join(place, name), errors="replace", encoding="utf-8") as file:
                file.seek(max(0, os.path.getsize(file.name) - TAIL))
                texts.append(file.read())
    text = "\n".join(texts)
    sys.stdout.write(text)
    return text


@contextlib.contextmanager
def keeping(logger: str, folder: str) -> Iterator[None]:
    """Write what a logger says in the meantime to a file of a folder as well."""
    handler = logging.FileHandler(os.path.join(folder, SAID), encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.getLogger(logger).addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger(logger).removeHandler(handler)
        handler.close()


def classify(compiler: str, status: int, log: str) -> JobError:
    """A compiler's end, by its exit status and its log."""
    found = CODE.search(log)
    code, said = found.groups() if found else ("", "")
    if status in KILLED or any(words in log for words in HOST_MEMORY):
        return JobError("memory", f"{compiler} was killed for want of memory: compile on a host with more, or with optlevel 1")
    if "No space left on device" in log:
        return JobError("system", f"{compiler} could not write: no space left on device")
    if status < 0:
        return JobError("crash", f"{compiler} crashed with {signal.Signals(-status).name}")
    if status == INTERNAL or code.startswith("NCC_I"):
        return JobError("internal", f"{compiler} failed with an internal error ({code or status}) {said}".rstrip())
    return JobError("user", _refusal(compiler, status, log, f"{code} {said}".strip()))


def _refusal(compiler: str, status: int, log: str, said: str) -> str:
    if any(words in log for words in DEVICE_MEMORY):
        return f"the model doesn't fit into the device's memory ({said or 'XCG815'}): use smaller shapes, or a lower dtype"
    return f"{compiler} can't compile this model: {said or f'status {status}, {last_line(log)}'}"


def last_line(log: str) -> str:
    """The last line that says something of an error, else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it left no log"])[-1][:300]
