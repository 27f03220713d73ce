"""What this machine is: its CPU, and its Neuron devices."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DEVICES = Path("/proc/devices")
PRODUCT = Path("/sys/devices/virtual/dmi/id/product_name")
"""Where Linux tells of drivers, and the firmware of the machine: on EC2 the type of the instance, `inf2.xlarge`."""


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
