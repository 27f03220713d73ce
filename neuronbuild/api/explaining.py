"""What actions consist of: those that recipes come to, with where each value came from, and those that a store has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.api.origins import Origins
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.artifact.fields import canonical_fields
from neuronbuild.plan.explain import comparable, find_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from neuronbuild.api.settings import Settings
    from neuronbuild.artifact.action import Action
    from neuronbuild.artifact.fields import Path
    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.digest import ActionKey
    from neuronbuild.errors import NeuronBuildError
    from neuronbuild.plan.explain import Difference
    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.target import Target


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One value of an action: its path, its canonical JSON, and where it came from, `None` where that isn't recorded."""

    path: Path
    text: str
    origin: str | None = None

    def as_json(self) -> dict[str, object]:
        """As `explain --json` prints it."""
        return {"path": list(self.path), "value": json.loads(self.text), "origin": self.origin}


@dataclass(frozen=True, slots=True)
class ExplainedAction:
    """An action to be shown: `target` is what it was planned for, and `origin` says where the value at a path came from."""

    key: ActionKey
    record: Action
    target: Target | None = None
    origin: Callable[[Path], str] | None = None

    @property
    def fields(self) -> Iterator[ExplainedField]:
        """Its values in canonical order."""
        for path, text in canonical_fields(self.record.document()):
            yield ExplainedField(path, text, None if self.origin is None else self.origin(path))

    def as_json(self) -> dict[str, object]:
        """As `explain --json` prints it."""
        target = {} if self.target is None else self.target.as_json()
        return {**target, "key": self.key, "fields": [field.as_json() for field in self.fields]}


def explain_recipes(
    recipes: Iterable[Located], settings: Settings, failures: list[NeuronBuildError] | None = None
) -> Iterator[ExplainedAction]:
    """The action of each target of some recipes, in the plan's order.

    `failures` gets what is wrong with recipes; without it, that is raised.

    Raises:
        RecipeError, SourceError, StoreError, ToolchainError: as their names say.
    """
    context = Context.open(settings)
    prepared = prepare(recipes, context, failures)
    return (
        ExplainedAction(action.key, action.record, target, origins.of)
        for each in prepared
        for origins in (Origins(context, each),)
        for target, action in each.steps
    )


def explain_artifact(manifest: Manifest) -> ExplainedAction:
    """The action of an artifact, as it was recorded."""
    return ExplainedAction(manifest.key, manifest.action)


def compare_artifacts(before: Manifest, after: Manifest) -> tuple[Difference, ...]:
    """The fields in which the actions of two artifacts differ."""
    return find_differences(comparable(before.action.document()), comparable(after.action.document()))
