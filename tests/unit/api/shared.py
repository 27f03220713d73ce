"""Settings for a near and a far folder, without a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from neuronbuild.api import Settings
from neuronbuild.store.location import Remote


def folders(tmp_path: Path, **changes) -> Settings:
    """The user's own settings, with a near and a far store below a folder."""
    near, far = str(tmp_path / "near"), str(tmp_path / "far")
    defaults = {"cache": near, "remotes": (Remote(far),), "output": tmp_path / "releases", "scratch": tmp_path / "scratch"}
    return replace(Settings(), **{**defaults, **changes})
