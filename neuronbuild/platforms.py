"""What is known of each platform, one row each, as plain data. A new platform begins with a row here.

Knows nothing of how a platform is compiled for: that is its toolchain's (`neuronbuild.toolchain`), which a row names.

    >>> PLATFORMS["trn2"].toolchain, PLATFORMS["trn2"].exporter
    ('neuronx', 'optimum')
    >>> [name for name, row in PLATFORMS.items() if not row.is_neuron]
    ['cpu']
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weights = Literal["inline", "separate"]
Session = Literal["aotinductor", "torch-neuron"]
"""How a compiled graph is loaded: a package of AOTInductor's, or a TorchScript file for a NeuronCore."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform.

    `toolchain` compiles one graph for it, and `exporter` is handed a whole model, empty where there is none. `weights` is where
    a recipe may have them, the default first. `casts` are the dtypes that `auto_cast` can lower to; empty is whatever the
    toolchain's version takes. `framework` is the package that loads what was compiled.

    Of Neuron platforms, `generation` is that of their cores: platforms of one generation run each other's code. `override` is
    what NEURON_PLATFORM_TARGET_OVERRIDE calls it. `memory` is the device memory of a physical core in GiB (AWS's architecture
    pages of Inferentia and Trainium); `joins_cores` says that two physical cores can make one. `first_compiler` is the minor
    version of neuronx-cc 2 that first compiles for it, as far as `sdks.SDKS` reaches. `neff_header` says that the header of its
    NEFF files is documented, and `levels` which levels of optimisation its compiler has.
    """

    name: str
    toolchain: str
    session: Session
    framework: str
    exporter: str = ""
    weights: tuple[Weights, ...] = ("inline", "separate")
    casts: tuple[str, ...] = ()
    generation: int = 0
    override: str = ""
    memory: int = 0
    joins_cores: bool = False
    first_compiler: int = 0
    neff_header: bool = False
    levels: tuple[int, ...] = (1, 2, 3)

    @property
    def is_neuron(self) -> bool:
        """Whether its code runs on a Neuron device."""
        return self.generation > 0


def _neuronx(name: str, generation: int, override: str, memory: int, *, first: int, joins: bool = False) -> Platform:
    return Platform(
        name,
        toolchain="neuronx",
        session="torch-neuron",
        framework="torch-neuronx",
        exporter="optimum",
        generation=generation,
        override=override,
        memory=memory,
        joins_cores=joins,
        first_compiler=first,
        neff_header=True,
    )


PLATFORMS: dict[str, Platform] = {
    row.name: row
    for row in (
        Platform(
            "inf1",
            toolchain="neuron",
            session="torch-neuron",
            framework="torch-neuron",
            generation=1,
            memory=2,
            levels=(2,),
        ),
        _neuronx("inf2", 2, "trn1", 16, first=16),
        _neuronx("trn1", 2, "trn1", 16, first=16),
        _neuronx("trn1n", 2, "trn1", 16, first=16),
        _neuronx("trn2", 3, "trn2", 12, first=16, joins=True),
        _neuronx("trn3", 4, "trn3", 18, first=24, joins=True),
        Platform(
            "cpu",
            toolchain="inductor",
            session="aotinductor",
            framework="torch",
            weights=("separate",),
            casts=("bf16", "fp16"),
        ),
    )
}

DEFAULT = "cpu"
"""What is compiled for where nobody says it: every machine has one."""

NEURON = {name: row for name, row in PLATFORMS.items() if row.is_neuron}


def core_memory(platform: str, cores: int) -> int:
    """Bytes of device memory that a core of a Neuron platform has, where it is made of so many physical ones."""
    return PLATFORMS[platform].memory * cores << 30


def generation_of(platform: str | None) -> int | None:
    """The generation of a Neuron platform's cores; `None` of what is none, or isn't known."""
    row = NEURON.get(platform or "")
    return row.generation if row else None


def not_exported(platforms: tuple[str, ...]) -> list[str]:
    """Those of some platforms that no tool exports whole models for."""
    return [name for name in platforms if not PLATFORMS[name].exporter]
