"""What this machine is: its CPU, and its Neuron devices."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DEVICES = Path("/proc/devices")
PRODUCT = Path("/sys/devices/virtual/dmi/id/product_name")
"""Where Linux tells of drivers, and the firmware of the machine: on EC2 the type of the instance, `inf2.xlarge`."""

GENERATIONS = {"inf1": 1, "inf2": 2, "trn1": 2, "trn1n": 2, "trn2": 3, "trn3": 4}
"""The generation of each Neuron platform's cores. Platforms of one generation run each other's code."""

MEMORY = {1: 2, 2: 16, 3: 12, 4: 18}
"""GiB of device memory for each physical core of a generation (AWS's architecture pages of Inferentia and Trainium)."""


def core_memory(platform: str, cores: int) -> int:
    """Bytes of device memory that a core of a Neuron platform has, where it is made of so many physical ones."""
    return MEMORY[GENERATIONS[platform]] * cores << 30


def cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """The flags of this host's CPU, in Linux' words; empty where they can't be told."""
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def neuron_platform() -> str | None:
    """The platform that this host's Neuron devices are, `unknown` where the host doesn't say it; `None` without devices."""
    if not any(line.split()[-1:] == ["neuron"] for line in _text(DEVICES).splitlines()):
        return None
    return _text(PRODUCT).strip().partition(".")[0].lower().removesuffix("u") or "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
