"""Platform to toolchain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.inductor import Inductor

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.toolchain.base import Toolchain


def open_toolchain(platform: str, *, scratch: Path, isa: str | None = None) -> Toolchain:
    """The toolchain that compiles for a platform. `scratch` is a folder for what toolchains may keep between builds.

    Raises:
        ToolchainError: none can.
    """
    if platform == "cpu":
        return Inductor(scratch, isa)
    raise ToolchainError(
        platform, f"this version of neuronbuild can't compile for {platform} yet", hint="choose platform cpu: `--platform cpu`"
    )
