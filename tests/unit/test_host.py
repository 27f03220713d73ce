from __future__ import annotations

from neuronbuild.host import cpu_flags


def test_flags_are_those_of_the_first_cpu(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: other\n")
    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "fma"}


def test_a_host_that_does_not_tell_has_no_flags(tmp_path):
    (tmp_path / "cpuinfo").write_text("model name : unheard of\n")
    assert cpu_flags(tmp_path / "cpuinfo") == frozenset()
    assert cpu_flags(tmp_path / "missing") == frozenset()


def test_this_host_tells():
    assert "sse2" in cpu_flags()
