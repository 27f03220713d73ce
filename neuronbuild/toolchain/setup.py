"""What a workspace says of one toolchain: where it runs, and what is taken for granted of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setup:
    """`scratch` is a folder for what may be kept between builds.

    `sdk` is a release of the Neuron SDK that is planned for, there or not; `versions` correct its packages. `python` is the
    interpreter that has the compiler. `refused` is the workspace that brings it along, where nobody has agreed to run it.
    """

    scratch: Path
    isa: str | None = None
    sdk: str | None = None
    python: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    refused: Path | None = None

    @property
    def notes(self) -> Path:
        """The file where interpreters' answers are remembered."""
        return self.scratch / "interpreters.json"
