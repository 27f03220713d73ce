from __future__ import annotations

import pytest

from neuronbuild import host
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


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def become(devices: str | None, product: str | None):
        for name, text in (("DEVICES", devices), ("PRODUCT", product)):
            monkeypatch.setattr(host, name, tmp_path / name)
            if text is not None:
                (tmp_path / name).write_text(text)
        return host.neuron_platform()

    return become


@pytest.mark.parametrize(
    ("product", "platform"),
    [
        ("inf2.8xlarge\n", "inf2"),
        ("trn1n.32xlarge\n", "trn1n"),
        ("trn2u.48xlarge\n", "trn2"),
        ("inf1.xlarge\n", "inf1"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_platform_is_the_instances_family(machine, product, platform):
    assert machine("Character devices:\n  1 mem\n245 neuron\n", product) == platform


@pytest.mark.parametrize("devices", ["Character devices:\n  1 mem\n", "", None, "245 neuronish\n"])
def test_without_a_driver_there_is_no_device(machine, devices):
    assert machine(devices, "inf2.xlarge\n") is None
