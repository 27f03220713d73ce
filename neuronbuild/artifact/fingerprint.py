"""What identifies a toolchain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Name, platform, full versions of everything that shapes the bytes, and flags with their defaults written out."""

    name: str
    platform: str
    versions: Mapping[str, str]
    flags: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As it stands in an action."""
        return {
            "name": self.name,
            "platform": self.platform,
            "versions": dict(self.versions),
            "flags": dict(self.flags),
        }
