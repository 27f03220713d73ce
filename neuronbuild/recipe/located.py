"""Recipes with the documents that they came from, so that a fault is told where its cause was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.errors import Issue

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.recipe.schema import Recipe
    from neuronbuild.recipe.yaml_tree import Document, Keys


@dataclass(frozen=True, slots=True)
class Layer:
    """A document that says part of a recipe: the recipe's own, or a `defaults:` whose keys stand under `top`."""

    path: Path
    document: Document
    top: Keys = ()

    def says(self, keys: Keys) -> bool:
        """Whether the value at these keys was written here, rather than taken from a layer below."""
        value = self.document.value
        for key in (*self.top, *keys):
            if not isinstance(value, dict):
                return True
            if key not in value:
                return False
            value = value[key]
        return True

    def text(self, keys: Keys) -> str | None:
        """What was written at these keys, where YAML took it for something else than text."""
        return self.document.texts.get((*self.top, *keys))

    def holds(self, issue: Issue) -> bool:
        """Whether a fault stands in this document."""
        return issue.path == str(self.path) and issue.line in self.document.lines

    def issue(self, keys: Keys, message: str) -> Issue:
        """A fault at one of this document's keys."""
        return Issue(str(self.path), *self.document.place((*self.top, *keys)), message)


@dataclass(frozen=True, slots=True)
class Located:
    """A recipe and the documents that it came from: its own, and `defaults:` below it, the nearest first."""

    recipe: Recipe
    path: Path
    document: Document
    below: tuple[Layer, ...] = ()

    def issue(self, keys: Keys, message: str) -> Issue:
        """A fault found later, at the key that caused it."""
        return issue_at(keys, message, Layer(self.path, self.document), self.below)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its own document, and those below it."""
        return (Layer(self.path, self.document), *self.below)

    def origin(self, keys: Keys) -> str | None:
        """The place of the key that says what is at some keys (`recipes/a.yaml:3`); `None` where no document says it."""
        for layer in self.layers:
            if layer.says(keys):
                line, _ = layer.document.place((*layer.top, *keys))
                return f"{'defaults of ' if layer.top else ''}{layer.path}:{line}"
        return None

    def depth(self, keys: Keys) -> int:
        """How many layers lie over the one that says what is at some keys: 0 if it is the recipe's own document."""
        return next((depth for depth, layer in enumerate(self.layers) if layer.says(keys)), len(self.layers))


def issue_at(keys: Keys, message: str, own: Layer, below: tuple[Layer, ...]) -> Issue:
    """A fault at some keys of a document or of those below it: where they were written."""
    return layer_of(keys, own, below).issue(keys, message)


def layer_of(keys: Keys, own: Layer, below: tuple[Layer, ...]) -> Layer:
    """The document that says what is at some keys."""
    return next((layer for layer in (own, *below) if layer.says(keys)), own)
