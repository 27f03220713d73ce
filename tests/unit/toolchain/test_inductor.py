from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import platform

import pytest

from neuronbuild.errors import ToolchainError
from neuronbuild.host import cpu_flags
from neuronbuild.toolchain.inductor import FILES, SETTINGS, Inductor
from neuronbuild.toolchain.isa import LEVELS, V3, V4

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="this platform is for x86-64"),
]


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A `g++` that tells a version, alone on PATH."""

    def install(says: str = "echo 13.2.1"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/g++").write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / "bin/g++").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    return install


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Have a host whose CPU has just these flags."""

    def install(flags):
        (tmp_path / "cpuinfo").write_text(f"flags : {' '.join(sorted(flags))}\n")
        real = functools.partial(cpu_flags, tmp_path / "cpuinfo")
        monkeypatch.setattr("neuronbuild.toolchain.inductor.cpu_flags", real)

    return install


@pytest.fixture
def inductor(tmp_path, compiler, cpu):
    compiler()
    cpu(V4)
    return Inductor(tmp_path / "scratch")


def texts(value) -> list[str]:
    """Every text in a JSON value, names included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_a_fingerprint_has_full_versions(inductor):
    versions = inductor.fingerprint("cpu").versions
    assert versions["torch"] == importlib.metadata.version("torch")
    assert versions["transformers"] == importlib.metadata.version("transformers")
    assert versions["g++"] == "13.2.1"
    assert versions["libc"] == "-".join(platform.libc_ver())


def test_a_fingerprint_has_every_setting_written_out(inductor):
    flags = inductor.fingerprint("cpu").flags
    assert flags["inductor"] == SETTINGS
    assert flags["march"] == "x86-64-v4"
    assert flags["cpu_flags"] == sorted(V4)


def test_a_fingerprint_is_json_and_holds_no_path_of_this_host(inductor):
    document = inductor.fingerprint("cpu").as_json()
    assert json.loads(json.dumps(document)) == document
    assert [text for text in texts(document) if text.startswith("/") or "scratch" in text] == []


def test_a_fingerprint_needs_neither_torch_nor_the_same_scratch_folder(inductor, tmp_path):
    assert Inductor(tmp_path / "elsewhere").fingerprint("cpu") == inductor.fingerprint("cpu")


def test_another_compiler_gives_another_fingerprint(inductor, compiler):
    before = inductor.fingerprint("cpu")
    compiler("echo 13.2.2")
    assert inductor.fingerprint("cpu") != before


def test_flags_beyond_a_level_change_nothing(inductor, cpu):
    before = inductor.fingerprint("cpu")
    cpu(V4 | {"amx_tile", "avx512_vnni"})
    assert inductor.fingerprint("cpu") == before


def test_a_declared_level_goes_before_the_hosts(inductor, tmp_path):
    flags = Inductor(tmp_path / "scratch", isa="x86-64-v3").fingerprint("cpu").flags
    assert (flags["march"], flags["vector_isa"]) == ("x86-64-v3", "VecAVX2")


def test_a_level_above_the_hosts_can_be_planned_for_but_not_built(tmp_path, inductor, cpu):
    cpu(V3)
    above = Inductor(tmp_path / "scratch", isa=LEVELS[0].march)
    assert above.fingerprint("cpu").flags["march"] == LEVELS[0].march
    with pytest.raises(ToolchainError, match="it lacks avx512bw, avx512cd") as caught:
        above.preflight()
    assert "lower `isa`" in caught.value.hint


@pytest.mark.parametrize("flags", [frozenset(), V3 - {"avx2"}])
def test_a_cpu_below_every_level_is_told_what_it_takes(inductor, cpu, flags):
    cpu(flags)
    with pytest.raises(ToolchainError, match="x86-64-v3") as caught:
        inductor.fingerprint("cpu")
    assert caught.value.hint


@pytest.mark.parametrize("ask", [lambda t: t.preflight(), lambda t: t.fingerprint("cpu"), lambda t: t.worker()])
def test_a_host_without_a_compiler_is_told_how_to_get_one(inductor, monkeypatch, ask):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError, match=r"g\+\+ is not on PATH") as caught:
        ask(inductor)
    assert "apt install g++" in caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("says", ["exit 1", "echo 'no input files' >&2; exit 1", "true"])
def test_a_compiler_that_doesnt_work_is_named(inductor, compiler, says):
    compiler(says)
    with pytest.raises(ToolchainError, match=r"bin/g\+\+ doesn't tell its version"):
        inductor.preflight()


def test_a_package_that_isnt_installed_is_named(inductor, monkeypatch):
    monkeypatch.setattr("neuronbuild.toolchain.inductor.PACKAGES", ("torch", "no-such-package"))
    with pytest.raises(ToolchainError, match="no-such-package is not installed") as caught:
        inductor.fingerprint("cpu")
    assert "pip install" in caught.value.hint


def test_a_usable_host_passes(inductor):
    inductor.preflight()


@pytest.mark.parametrize(
    "name",
    [
        "OMP_NUM_THREADS",
        "KMP_AFFINITY",
        "MKL_NUM_THREADS",
        "TORCHINDUCTOR_MAX_AUTOTUNE",
        "TORCHINDUCTOR_FREEZING",
        "TORCH_LOGS",
        "AOT_INDUCTOR_DEBUG_COMPILE",
        "ATEN_CPU_CAPABILITY",
        "CXX",
        "CXXFLAGS",
        "CFLAGS",
        "CPATH",
        "PYTHONPATH",
    ],
)
def test_variables_that_change_a_compile_dont_reach_the_worker(inductor, monkeypatch, name):
    before = inductor.worker()
    monkeypatch.setenv(name, "1")
    assert inductor.worker() == before


def test_other_variables_do(inductor, monkeypatch):
    monkeypatch.setenv("LANG", "eo.UTF-8")
    assert inductor.worker().environment["LANG"] == "eo.UTF-8"


def test_folders_for_headers_are_made_and_shared_by_one_fingerprint_only(inductor, tmp_path, compiler):
    one, again = inductor.worker(), inductor.worker()
    compiler("echo 14.0.0")
    other = inductor.worker()
    assert one == again
    for name in ("TMPDIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert (tmp_path / "scratch") in (folder := tmp_path / one.environment[name]).parents
        assert folder.is_dir()
        assert one.environment[name] != other.environment[name]


def test_a_worker_never_reaches_for_the_network(inductor):
    assert inductor.worker().environment["HF_HUB_OFFLINE"] == "1"


class TestFault:
    """What is wrong with the files that a compile left."""

    @pytest.fixture
    def folder(self, tmp_path):
        for name in FILES:
            (tmp_path / name).write_bytes(b"bytes")
        return tmp_path

    def test_files_that_are_there_and_hold_something_are_usable(self, inductor, folder):
        assert inductor.fault(folder, list(FILES), {}) is None
        assert inductor.fault(folder, [*FILES, "more"], {}) is None

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_named(self, inductor, folder, name):
        (folder / name).unlink()
        assert name in inductor.fault(folder, list(FILES), {})

    @pytest.mark.parametrize("name", FILES)
    def test_an_empty_file_is_named(self, inductor, folder, name):
        (folder / name).write_bytes(b"")
        assert name in inductor.fault(folder, list(FILES), {})

    @pytest.mark.parametrize("name", FILES)
    def test_a_folder_in_its_place_is_no_file(self, inductor, folder, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        assert name in inductor.fault(folder, list(FILES), {})

    def test_a_file_that_the_compiler_doesnt_speak_of_doesnt_count(self, inductor, folder):
        assert FILES[1] in inductor.fault(folder, [FILES[0]], {})
        assert FILES[0] in inductor.fault(folder, [], {})
