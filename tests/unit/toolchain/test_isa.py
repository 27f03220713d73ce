from __future__ import annotations

import pytest

from neuronbuild.host import cpu_flags
from neuronbuild.toolchain.isa import LEVELS, V3, V4, highest_level, level_named

HASWELL = "fpu vme sse sse2 ssse3 sse4_1 sse4_2 movbe popcnt aes avx f16c rdrand abm bmi1 avx2 bmi2 fma"
SKYLAKE = HASWELL + " avx512f avx512dq avx512cd avx512bw avx512vl"
SANDY_BRIDGE = "fpu vme sse sse2 ssse3 sse4_1 sse4_2 popcnt aes avx"


@pytest.fixture
def cpuinfo(tmp_path):
    def write(flags: str):
        lines = ["processor\t: 0", "model name\t: A CPU\xae", f"flags\t\t: {flags}", "bugs\t\t: avx512f", "", "processor\t: 1"]
        (tmp_path / "cpuinfo").write_text("\n".join(lines), encoding="utf-8")
        return tmp_path / "cpuinfo"

    return write


@pytest.mark.parametrize(
    ("flags", "march"),
    [(SKYLAKE, "x86-64-v4"), (HASWELL, "x86-64-v3"), (HASWELL + " avx512f", "x86-64-v3"), (SANDY_BRIDGE, None), ("", None)],
)
def test_a_cpu_has_the_highest_level_whose_flags_it_has_all(cpuinfo, flags, march):
    level = highest_level(cpu_flags(cpuinfo(flags)))
    assert (level.march if level else None) == march


def test_flags_are_those_of_the_flags_line(cpuinfo):
    assert cpu_flags(cpuinfo("avx avx2")) == {"avx", "avx2"}


def test_a_host_that_doesnt_tell_its_flags_has_none(tmp_path):
    (tmp_path / "cpuinfo").write_text("Features : fp asimd\n")
    assert cpu_flags(tmp_path / "cpuinfo") == frozenset()
    assert cpu_flags(tmp_path / "absent") == frozenset()
    assert cpu_flags(tmp_path) == frozenset()


def test_every_level_has_a_name_of_its_own_by_which_it_is_found():
    assert [level_named(level.march) for level in LEVELS] == list(LEVELS)
    assert len({level.vector_isa for level in LEVELS}) == len(LEVELS)


@pytest.mark.parametrize("name", ["", "native", "x86-64-v5", "X86-64-V3"])
def test_other_names_are_no_levels(name):
    assert level_named(name) is None


def test_levels_go_from_the_highest_to_the_lowest():
    assert V3 < V4
    assert [level.flags for level in LEVELS] == [V4, V3]
