"""What identifies a toolchain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Name, platform, full versions of everything that shapes the bytes, and flags with their defaults written out."""

    toolchain: str
    platform: str
    versions: Mapping[str, str]
    flags: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As it stands in an action."""
        return {
            "name": self.toolchain,
            "platform": self.platform,
            "versions": dict(self.versions),
            "flags": dict(self.flags),
        }
