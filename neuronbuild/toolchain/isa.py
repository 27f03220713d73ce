"""Levels of the x86-64 instruction set that code is compiled for: declared, so that a key names one kind of code.

Flags by the x86-64 psABI's micro-architecture levels (https://gitlab.com/x86-psABIs/x86-64-ABI), in /proc/cpuinfo's words.
"""

from __future__ import annotations

from dataclasses import dataclass

V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"})
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@dataclass(frozen=True, slots=True)
class Level:
    """One level: g++'s `-march`, torch's vector ISA class for it, and the CPU flags that a host must have."""

    march: str
    vector_isa: str
    flags: frozenset[str]


LEVELS = (Level("x86-64-v4", "VecAVX512", V4), Level("x86-64-v3", "VecAVX2", V3))
"""Highest first."""


def highest_level(flags: frozenset[str]) -> Level | None:
    """The highest level that a CPU has, or `None` if it has not even the lowest."""
    return next((level for level in LEVELS if level.flags <= flags), None)


def level_named(march: str) -> Level | None:
    """The level of that name."""
    return next((level for level in LEVELS if level.march == march), None)
