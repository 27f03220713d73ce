"""The whole tool as four functions: `load_recipes`, `plan`, `apply`, `release`.

Resolved when first used: planning needs nothing of what builds and releases.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronbuild.api.applying import ApplyReport, apply, release
    from neuronbuild.api.introspection import Axes, axes
    from neuronbuild.api.prepare import plan
    from neuronbuild.api.requests import Release
    from neuronbuild.api.settings import Settings
    from neuronbuild.recipe.load import load_recipes

_PLACES = {
    "Axes": "neuronbuild.api.introspection",
    "axes": "neuronbuild.api.introspection",
    "ApplyReport": "neuronbuild.api.applying",
    "Release": "neuronbuild.api.requests",
    "Settings": "neuronbuild.api.settings",
    "apply": "neuronbuild.api.applying",
    "load_recipes": "neuronbuild.recipe.load",
    "plan": "neuronbuild.api.prepare",
    "release": "neuronbuild.api.applying",
}

__all__ = ["ApplyReport", "Axes", "Release", "Settings", "apply", "axes", "load_recipes", "plan", "release"]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
