"""What a target is known to run into, before any compile is paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.plan.troubles import TROUBLES
from neuronbuild.sdks import releases_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.plan.troubles import Trouble
    from neuronbuild.recipe.target import Options

FRAMEWORK = "torch-neuronx"


@dataclass(frozen=True, slots=True)
class Warned:
    """A trouble that targets of a recipe run into on a platform, and how many targets."""

    recipe: str
    platform: str
    trouble: Trouble
    steps: int

    def __str__(self) -> str:
        """For people, in a line."""
        trouble = self.trouble
        return f"{self.recipe} on {self.platform}: {trouble.problem} ({trouble.source}); {trouble.advice}"

    def as_json(self) -> dict[str, object]:
        """As `plan --json` prints it."""
        trouble = self.trouble
        return {
            "recipe": self.recipe,
            "platform": self.platform,
            "steps": self.steps,
            "message": trouble.problem,
            "advice": trouble.advice,
            "source": trouble.source,
        }


def foretold(versions: Mapping[str, str], model_type: str, options: Options) -> Trouble | None:
    """What is known to come of a model of that type with a toolchain of these versions; `None` where nothing is.

    The releases that count are those that have the toolchain's torch-neuronx: it is what traces.
    """
    framework = versions.get(FRAMEWORK, "")
    rows = [row for row in TROUBLES if _is_about(row, model_type, options)]
    return next((row for row in rows if _is_of(row, framework)), None)


def _is_about(row: Trouble, model_type: str, options: Options) -> bool:
    return model_type in row.families and all(getattr(options, name) == value for name, value in row.options)


def _is_of(row: Trouble, framework: str) -> bool:
    return framework.startswith(row.torch and f"{row.torch}.") and any(
        _number(row.first) <= _number(release) and (row.last is None or _number(release) <= _number(row.last))
        for release in releases_with(framework)
    )


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
