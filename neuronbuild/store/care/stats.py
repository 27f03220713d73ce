"""What a store was worth: a line for each run, in a file beside the near store, and their sum."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from neuronbuild.files import parse_json, read_plain
from neuronbuild.store.names import list_actions, list_blobs

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.store.objects.base import ObjectStore

FILE = "stats.ndjson"


@dataclass(frozen=True, slots=True)
class Run:
    """One `apply`: targets found and compiled, and what it would have taken to compile those found and used."""

    hits: int = 0
    misses: int = 0
    bytes_saved: int = 0
    seconds_saved: float = 0.0

    def __add__(self, other: Run) -> Run:
        return Run(
            self.hits + other.hits,
            self.misses + other.misses,
            self.bytes_saved + other.bytes_saved,
            self.seconds_saved + other.seconds_saved,
        )


@dataclass(frozen=True, slots=True)
class Sizes:
    """What lies in a place."""

    artifacts: int
    blobs: int
    size: int


def note_run(objects: ObjectStore, run: Run) -> None:
    """Add a run's line, whole, beside others'. A place that isn't a folder, or can't be written, keeps no such record."""
    now = datetime.datetime.now(tz=datetime.UTC).replace(microsecond=0).isoformat()
    objects.append(FILE, json.dumps({"at": now, **asdict(run)}).encode() + b"\n")


def read_runs(objects: ObjectStore) -> Run:
    """The sum of all runs; lines that a crash cut short don't count."""
    total = Run()
    for line in _lines(objects.local_path(FILE)):
        try:
            said: Any = parse_json(line)
            total += Run(int(said["hits"]), int(said["misses"]), int(said["bytes_saved"]), float(said["seconds_saved"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
    return total


def measure(objects: ObjectStore) -> Sizes:
    """Count and weigh what lies in a place, by listing it."""
    blobs = [entry.size for _, entry in list_blobs(objects)]
    manifests = [entry.size for _, entry in list_actions(objects)]
    return Sizes(len(manifests), len(blobs), sum(blobs) + sum(manifests))


def _lines(file: Path | None) -> list[bytes]:
    try:
        return [] if file is None else read_plain(file).splitlines()
    except OSError:
        return []
