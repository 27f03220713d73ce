"""The whole tool as four functions: `load_recipes`, `plan`, `apply`, `release`."""

from neuronbuild.api.apply import ApplyReport, Release, apply, release
from neuronbuild.api.prepare import plan
from neuronbuild.api.settings import Settings
from neuronbuild.recipe.load import load_recipes

__all__ = ["ApplyReport", "Release", "Settings", "apply", "load_recipes", "plan", "release"]
