from __future__ import annotations

import errno

import pytest

from neuronbuild.build.builder import Place, build_step
from neuronbuild.build.report import StepError
from neuronbuild.build.scratch import ScratchError, blame_disk
from neuronbuild.build.workbench import Workbench
from neuronbuild.store.location import open_store
from tests.doubles.toolchain import FakeToolchain, fake_plan
from tests.limits import SOON
from tests.tools.fault_matrix import note
from tests.unit.store.disks import fill, small_disk


def build(disk, tmp_path, act):
    """One step whose worker works on that disk."""
    with Workbench(disk, timeout=SOON) as bench:
        place = Place(open_store(str(tmp_path / "store")), bench, tmp_path / "logs")
        toolchain = FakeToolchain(tmp_path / "toolchain", {1: act})
        step = fake_plan(1, open_store("memory:")).steps[0]
        return build_step(step, toolchain, place, waiting=lambda _: False, compiling=lambda: None)


FILLING = ["fill", "fill-mapped", "fill-and-say", "fill-and-lose", "fill-and-leave"]


@pytest.mark.parametrize("act", FILLING)
def test_a_disk_that_fills_up_in_a_compile_is_named_whatever_the_compiler_came_to(tmp_path, act):
    with small_disk(tmp_path / "work") as disk:
        error = build(disk, tmp_path, act).error
    assert error.kind == "system"
    assert error.message.startswith(f"no space was left on the disk of {disk}/")
    assert ": free some space, or have XDG_CACHE_HOME name a folder that can be written (" in error.message
    note("the scratch disk", "full in a compile", act, len(FILLING), "told")


def test_a_disk_that_is_full_already_is_named(tmp_path):
    with small_disk(tmp_path / "work") as disk:
        fill(disk)
        error = build(disk, tmp_path, "").error
    assert error.kind == "system"
    assert f"scratch folder {disk}" in error.message or f"the disk of {disk}/" in error.message
    assert "XDG_CACHE_HOME" in error.message


@pytest.mark.parametrize(
    ("kind", "message", "log"),
    [
        ("internal", "CppCompileError: g++ failed", b"/tmp/x.s: fatal error: error writing: No space left on device\n"),
        ("system", "[Errno 28] No space left on device", b""),
        ("user", "transformers can't make this model: [Errno 122] Disk quota exceeded", b""),
        ("crash", "the compiler's process ended with status 1 and no answer", b"OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_full_disk_that_has_space_again_is_known_by_what_was_said(tmp_path, kind, message, log):
    error = blame_disk(StepError(kind, message), log, tmp_path, {"TMPDIR": str(tmp_path)})
    assert error.kind == "system"
    assert error.message.startswith(f"no space was left on the disk of {tmp_path}: free some space")
    assert error.message.endswith(f" ({message})")


@pytest.mark.parametrize("kind", ["internal", "crash", "output", "memory", "user", "timeout", "stopped"])
def test_other_failures_stay_what_they_are(tmp_path, kind):
    error = StepError(kind, "something else")
    assert blame_disk(error, b"nothing about disks", tmp_path, {"TMPDIR": str(tmp_path)}) is error


def test_a_compilers_own_folder_is_named_with_the_variable_that_moves_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "theirs"))
    with small_disk(tmp_path / "theirs") as disk:
        fill(disk)
        crash = StepError("crash", "the compiler crashed with SIGBUS")
        error = blame_disk(crash, b"", tmp_path, {"TMPDIR": str(disk)})
    assert (error.kind, f"the disk of {disk}: free some space, or have TMPDIR name" in error.message) == (
        "system",
        True,
    )


def test_a_scratch_folder_that_cant_be_used_says_which_and_why(tmp_path):
    error = ScratchError(tmp_path, PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "build-x")))
    assert error.message == f"the scratch folder {tmp_path} can't be used: Permission denied ({tmp_path}/build-x)"
    assert "XDG_CACHE_HOME" in error.hint
