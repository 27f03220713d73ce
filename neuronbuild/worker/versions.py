"""Which versions of packages this interpreter has. Imports none of them."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python and of those packages that are installed, in full, builds included; the key may hold less of it."""
    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
