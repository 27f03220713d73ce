"""Releases of the AWS Neuron SDK and the versions of their packages, as plain data: planning needs no SDK.

From the SDK's release notes and its list of packages (https://awsdocs-neuron.readthedocs-hosted.com/en/latest/release-notes/).
A framework package's version reads `<torch's version>.<its own>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Sdk:
    """One release. `torch_neuronx` lists what has `trace`, the newest torch first; 2.32 shipped none.

    `libneuronxla` is the one that was released with it, which from 2.32 on is made for other frameworks: `libneuronxla_of` has
    a framework package's own. `pythons` are the oldest and the newest minor version of Python 3 that it is made for.
    """

    release: str
    neuronx_cc: str
    torch_neuronx: tuple[str, ...]
    libneuronxla: str
    pythons: tuple[int, int]


def _versions(torches: str, own: str) -> tuple[str, ...]:
    return tuple(f"{torch}.{own}" for torch in torches.split())


LAST_WITH_TRACE = "2.9.0.2.15.32035"

SDKS: dict[str, Sdk] = {
    sdk.release: sdk
    for sdk in (
        Sdk("2.33.0", "2.28.7631.0", (LAST_WITH_TRACE,), "3.0.10135.0", (11, 14)),
        Sdk("2.32.0", "2.27.5334.0", (), "3.0.5356.0", (11, 13)),
        Sdk("2.31.1", "2.26.6360.0", (LAST_WITH_TRACE,), "2.2.17544.0", (11, 13)),
        Sdk("2.31.0", "2.26.6360.0", (LAST_WITH_TRACE,), "2.2.17544.0", (11, 13)),
        Sdk("2.30.0", "2.25.3371.0", ("2.9.0.2.14.27725",), "2.2.16974.0", (11, 13)),
        Sdk("2.29.1", "2.24.8799.0", ("2.9.0.2.13.26312",), "2.2.16408.0", (10, 12)),
        Sdk("2.29.0", "2.24.5133.0", ("2.9.0.2.13.24727",), "2.2.16408.0", (10, 12)),
        Sdk("2.28.1", "2.23.6484.0", _versions("2.9.0 2.8.0 2.7.0", "2.12.22436"), "2.2.15515.0", (10, 12)),
        Sdk("2.28.0", "2.23.6484.0", _versions("2.9.0 2.8.0 2.7.0", "2.12.22436"), "2.2.15515.0", (10, 12)),
        Sdk("2.27.1", "2.22.12471.0", _versions("2.9.0 2.8.0 2.7.0", "2.11.19912"), "2.2.14584.0", (10, 12)),
        Sdk("2.27.0", "2.22.12471.0", _versions("2.9.0 2.8.0 2.7.0", "2.11.19912"), "2.2.14584.0", (10, 12)),
        Sdk("2.26.1", "2.21.33363.0", _versions("2.8.0 2.7.0 2.6.0", "2.10.16998"), "2.2.12677.0", (9, 11)),
        Sdk("2.26.0", "2.21.18209.0", _versions("2.8.0 2.7.0 2.6.0", "2.10.13553"), "2.2.12677.0", (9, 11)),
        Sdk("2.25.0", "2.20.9961.0", _versions("2.7.0 2.6.0", "2.9.9357"), "2.2.8201.0", (9, 11)),
        Sdk("2.24.1", "2.19.8089.0", _versions("2.7.0 2.6.0 2.5.1", "2.8.6734"), "2.2.4410.0", (9, 11)),
        Sdk("2.24.0", "2.19.8089.0", _versions("2.7.0 2.6.0 2.5.1", "2.8.6734"), "2.2.4410.0", (9, 11)),
        Sdk("2.23.0", "2.18.121.0", _versions("2.6.0 2.5.1", "2.7.5413"), "2.2.3493.0", (9, 11)),
        Sdk("2.22.0", "2.17.194.0", ("2.5.1.2.6.0",), "2.2.1630.0", (9, 11)),
        Sdk("2.21.1", "2.16.372.0", ("2.5.1.2.4.0", "2.1.2.2.4.0", "1.13.1.1.17.0"), "2.1.714.0", (8, 11)),
    )
}
"""The newest first. Before 2.21 nothing can be traced on a host without a device."""

INF1 = {"torch-neuron": "1.13.1.2.11.13.0", "neuron-cc": "1.24.0.0", "torch": "1.13.1"}
"""Inf1's packages: the same in every release above."""

TRANSFORMERS = {"neuronx": "4.57.1", "neuron": "4.36.2"}
"""What is taken for granted beside a pinned SDK, which comes with none: optimum-neuron's, and one that torch 1.13 can have."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One release of optimum-neuron: the SDK that it is made for, and what it wants beside that. Of diffusers 0.35 the last."""

    version: str
    sdk: str
    neuronx_distributed: str
    torch: str
    transformers: str
    diffusers: str
    peft: str


EXPORTERS: dict[str, Exporter] = {
    exporter.sdk: exporter for exporter in (Exporter("0.4.5", "2.26.1", "0.15.22404", "2.8.0", "4.57.1", "0.35.2", "0.17.0"),)
}
"""By release of the SDK, the newest first: what is on PyPI, and no branch. A new one is one more row."""

LIBRARIES = {each.version: {"diffusers": each.diffusers, "peft": each.peft} for each in EXPORTERS.values()}
"""What an optimum-neuron wants for diffusion."""

PLACEHOLDERS = {
    "torch-neuronx": "1.0",
    "neuronx-cc": "1.0.post1",
    "libneuronxla": "1.0",
    "torch-neuron": "1.0",
    "neuron-cc": "1.0.post1",
    "neuronx-distributed": "0.1",
    "neuronx-distributed-inference": "0.1.0",
    "transformers-neuronx": "0.1",
    "jax-neuronx": "0.0.0",
    "libtorch-neuronx-lite": "0.0.1",
}
"""Empty packages that PyPI has under the SDK's names: an install from there succeeds, and nothing works."""

INDEX = "https://pip.repos.neuron.amazonaws.com"
"""AWS's own package index, which has the real ones."""


def release_of(versions: Mapping[str, str]) -> str | None:
    """The release that has these versions, or `None`; of several that have the same, the first."""
    compiler, framework = (versions.get(name, "").partition("+")[0] for name in ("neuronx-cc", "torch-neuronx"))
    found = [sdk for sdk in SDKS.values() if sdk.neuronx_cc == compiler and framework in (*sdk.torch_neuronx, LAST_WITH_TRACE)]
    return found[-1].release if found else None


def releases_with(framework: str) -> list[str]:
    """The releases that have a framework package, the newest first."""
    return [sdk.release for sdk in SDKS.values() if framework.partition("+")[0] in sdk.torch_neuronx]


def libneuronxla_of(framework: str) -> str | None:
    """The libneuronxla that a framework package was built with: that of the first release that had it."""
    releases = releases_with(framework)
    return SDKS[releases[-1]].libneuronxla if releases else None


def torch_of(framework: str) -> str:
    """Torch's version in that of a framework package: `2.9.0` of `2.9.0.2.15.32035`."""
    return ".".join(framework.split(".")[:3])


def minor_of(compiler: str) -> int:
    """The second part of a compiler's version, by which its defaults go: 26 of `2.26.6360.0+ab`."""
    return int(compiler.split(".")[1])


def releases_like(text: str) -> str:
    """The releases that a text may mean, each in quotes: those that begin so, or else all.

    >>> releases_like("2.31")
    '"2.31.1" or "2.31.0"'
    """
    begun = [release for release in SDKS if text and f"{release}.".startswith(f"{text.rstrip('.')}.")]
    return " or ".join(f'"{release}"' for release in begun or SDKS)
