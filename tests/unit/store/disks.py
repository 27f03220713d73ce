"""Disks that are small, or that nobody may write: mounted for a test, which is skipped where that isn't allowed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    """A file system in memory at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def small_disk(folder: Path, size: str = "1m"):
    """A disk that is full after so many bytes."""
    return mounted(folder, f"size={size}")


def make_read_only(folder: Path) -> None:
    """From now on nothing can be written on a mounted disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(folder: Path, *, but: int = 0) -> None:
    """Take all the space that a disk has left, but so many KiB."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - but * 1024))


@contextlib.contextmanager
def as_nobody():
    """Be a user who may do nothing in the folders of tests; what is imported late must have been imported before."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
